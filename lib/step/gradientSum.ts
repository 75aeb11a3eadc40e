/**
 * The gradients of one step: summed over micro-batches, over layers that are used
 * twice, and clipped.
 */
import * as tf from '@tensorflow/tfjs';
import {tagMemory, type Category} from '../memory';
import {compiledModel} from '../model/tfjsInternals';
import {variablesOf} from '../model/weights';
import type {LayerCall} from '../model/graph';
import type {WeightGradient} from './hooks';

export class GradientSum {
  /** One entry a trainable weight, in the order in which the optimizer keeps its moments. */
  readonly entries: WeightGradient[];
  /** What its tensors are for: on their way, where a strategy keeps the gradients elsewhere. */
  category: Category = 'gradients';
  private readonly byVariable = new Map<number, WeightGradient>();
  private readonly byLayer = new Map<tf.layers.Layer, WeightGradient[]>();

  private constructor(trainable: tf.Variable[], names: string[]) {
    this.entries = trainable.map((variable, i) => ({name: names[i], variable, gradient: null}));
    for (const entry of this.entries) this.byVariable.set(entry.variable.id, entry);
  }

  /**
   * Of a compiled model's trainable weights, as `compile` fixed them; `calls`: of these calls'
   * layers alone.
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

  /** This layer's entries: its trainable weights, wrapped layers' weights among them. */
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

  weightsOf(layer: tf.layers.Layer): tf.Variable[] {
    return this.of(layer).map((entry) => entry.variable);
  }

  /** Adds a layer's gradients, by the id of its variables; they are consumed. */
  add(layer: tf.layers.Layer, gradients: Map<number, tf.Tensor>): void {
    for (const entry of this.of(layer)) {
      const gradient = gradients.get(entry.variable.id);
      if (!gradient) continue;
      gradients.delete(entry.variable.id);
      if (entry.gradient === null) {
        entry.gradient = gradient;
      } else {
        const before = entry.gradient;
        entry.gradient = tf.add(before, gradient);
        tf.dispose([before, gradient]);
      }
      tagMemory(entry.gradient, this.category);
    }
    tf.dispose([...gradients.values()]);
  }

  /** The sum of the squares of all gradients, or of those that `counts` takes. */
  squares(counts: (entry: WeightGradient) => boolean = () => true): number {
    let squares = 0;
    for (const entry of this.entries) {
      const {gradient} = entry;
      if (gradient && counts(entry))
        squares += tf.tidy(() => tf.sum(tf.square(gradient))).dataSync()[0];
    }
    return squares;
  }

  /**
   * Scales every gradient by globalClipNorm / max(norm, globalClipNorm), norm being the Euclidean norm of all
   * gradients together (Pascanu et al. 2013, "On the difficulty of training recurrent neural
   * networks", algorithm 1).
   */
  scaleTo(norm: number, globalClipNorm: number): void {
    if (norm <= globalClipNorm) return;
    for (const entry of this.entries) {
      const before = entry.gradient;
      if (!before) continue;
      entry.gradient = tf.tidy(() => tf.mul(before, globalClipNorm / norm));
      tagMemory(entry.gradient, 'gradients');
      before.dispose();
    }
  }

  /** The first whose gradient is no number. */
  firstBroken(): WeightGradient | undefined {
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
