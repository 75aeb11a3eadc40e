/**
 * The gradients of one step, summed over micro-batches and over the calls of layers that
 * are used twice.
 */
import * as tf from '@tensorflow/tfjs';
import {tagMemory, type Category} from '../memory';
import {compiledModel} from '../model/tfjsInternals';
import {variablesOf} from '../model/weights';
import type {LayerCall} from '../model/graph';
import type {WeightGradient} from './hooks';

export class GradientSum {
  /** One entry a trainable weight, in the optimizer's order. */
  readonly entries: WeightGradient[];
  /**
   * The memory category of its tensors; another one if a strategy holds the gradients elsewhere.
   */
  category: Category = 'gradients';
  private readonly byVariable = new Map<number, WeightGradient>();
  private readonly byLayer = new Map<tf.layers.Layer, WeightGradient[]>();
  private readonly othersByLayer = new Map<tf.layers.Layer, tf.Variable[]>();

  private constructor(trainable: tf.Variable[], names: string[]) {
    this.entries = trainable.map((variable, i) => ({name: names[i], variable, gradient: null}));
    for (const entry of this.entries) this.byVariable.set(entry.variable.id, entry);
  }

  /**
   * For the weights of a compiled model that were trainable when it was compiled. `calls`: only for
   * weights of these calls' layers.
   */
  static of(model: tf.LayersModel, calls?: readonly LayerCall[]): GradientSum {
    const compiled = compiledModel(model).collectedTrainableWeights ?? [];
    const held = calls && new Set(calls.flatMap(({layer}) => variablesOf(layer)));
    const trainable = held ? compiled.filter((weight) => held.has(weight.read())) : compiled;
    return new GradientSum(
      trainable.map((weight) => weight.read()),
      trainable.map((weight) => weight.originalName),
    );
  }

  /** The entries of a layer's trainable weights, including those of layers that it wraps. */
  of(layer: tf.layers.Layer): WeightGradient[] {
    let entries = this.byLayer.get(layer);
    if (!entries) {
      entries = [...new Set(variablesOf(layer))]
        .map((variable) => this.byVariable.get(variable.id))
        .filter((entry) => entry !== undefined);
      this.byLayer.set(layer, entries);
    }
    return entries;
  }

  /** The variables of a layer whose gradients are wanted: fit leaves out those that are frozen. */
  weightsOf(layer: tf.layers.Layer): tf.Variable[] {
    return this.of(layer).flatMap(({variable}) => (variable.trainable ? [variable] : []));
  }

  /**
   * The variables of a layer that were not trainable when the model was compiled: they have no
   * entry. Batch norm's averages, which change whenever the layer is applied, are among them.
   */
  othersOf(layer: tf.layers.Layer): tf.Variable[] {
    let others = this.othersByLayer.get(layer);
    if (!others) {
      others = [...new Set(variablesOf(layer))].filter(({id}) => !this.byVariable.has(id));
      this.othersByLayer.set(layer, others);
    }
    return others;
  }

  /** Adds a layer's gradients, given by variable id; consumes them and drops those of frozen weights. */
  add(layer: tf.layers.Layer, gradients: Map<number, tf.Tensor>): void {
    for (const entry of this.of(layer)) {
      if (!entry.variable.trainable) continue;
      const gradient = gradients.get(entry.variable.id);
      if (!gradient) continue;
      gradients.delete(entry.variable.id);
      if (entry.gradient === null) {
        entry.gradient = gradient;
      } else {
        const existing = entry.gradient;
        entry.gradient = tf.add(existing, gradient);
        tf.dispose([existing, gradient]);
      }
      tagMemory(entry.gradient, this.category);
    }
    tf.dispose([...gradients.values()]);
  }

  /** The sum of squares of all gradients, or of those that `includes` accepts. */
  squares(includes: (entry: WeightGradient) => boolean = () => true): number {
    let squares = 0;
    for (const entry of this.entries) {
      const {gradient} = entry;
      if (gradient && includes(entry))
        squares += tf.tidy(() => tf.sum(tf.square(gradient))).dataSync()[0];
    }
    return squares;
  }

  /**
   * Multiplies every gradient by globalClipNorm / max(norm, globalClipNorm); `norm` is the
   * Euclidean norm of all gradients together (Pascanu et al. 2013, "On the difficulty of training
   * recurrent neural networks", algorithm 1).
   */
  scaleTo(norm: number, globalClipNorm: number): void {
    if (norm <= globalClipNorm) return;
    for (const entry of this.entries) {
      const unscaled = entry.gradient;
      if (!unscaled) continue;
      entry.gradient = tf.tidy(() => tf.mul(unscaled, globalClipNorm / norm));
      tagMemory(entry.gradient, 'gradients');
      unscaled.dispose();
    }
  }

  /** The first entry whose gradient is NaN or infinite. */
  firstNonFinite(): WeightGradient | undefined {
    return this.entries.find(({gradient}) => gradient && !allFinite(gradient));
  }

  clear(): void {
    for (const entry of this.entries) {
      entry.gradient?.dispose();
      entry.gradient = null;
    }
  }
}

export function allFinite(tensor: tf.Tensor): boolean {
  return tf.tidy(() => Number.isFinite(tf.sum(tf.abs(tensor)).dataSync()[0]));
}
