/**
 * Worker side. The gradients of one step: summed over micro-batches, over layers that are used twice, and clipped.
 */
import * as tf from '@tensorflow/tfjs';
import {tagMemory, type Category} from '../memory';
import {innerModel} from '../model/inner';
import type {WeightGradient} from './hooks';

interface LayerWeights {
  weights: Array<{read(): tf.Variable}>;
}

interface Compiled {
  collectedTrainableWeights: Array<{read(): tf.Variable; originalName: string}>;
}

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

  /** Of a compiled model's trainable weights, as `compile` fixed them. */
  static of(model: tf.LayersModel): GradientSum {
    const {collectedTrainableWeights: trainable} = innerModel(model) as unknown as Compiled;
    return new GradientSum(trainable.map((weight) => weight.read()), trainable.map((weight) => weight.originalName));
  }

  /** This layer's entries: its trainable weights, wrapped layers' weights among them. */
  of(layer: tf.layers.Layer): WeightGradient[] {
    let entries = this.byLayer.get(layer);
    if (!entries) {
      const variables = (layer as unknown as LayerWeights).weights.map((weight) => weight.read());
      entries = [...new Set(variables)].map((variable) => this.byVariable.get(variable.id)).filter((entry) => entry !== undefined);
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

  /**
   * Scales every gradient by clipNorm / max(norm, clipNorm), norm being the Euclidean norm of all gradients together (Pascanu et
   * al. 2013, "On the difficulty of training recurrent neural networks", algorithm 1). Returns the norm before it.
   */
  clip(clipNorm: number): number {
    const present = this.entries.filter((entry) => entry.gradient !== null);
    let squares = 0;
    for (const {gradient} of present) squares += tf.tidy(() => tf.sum(tf.square(gradient!))).dataSync()[0];
    const norm = Math.sqrt(squares);
    if (norm > clipNorm) {
      for (const entry of present) {
        const before = entry.gradient!;
        entry.gradient = tf.tidy(() => tf.mul(before, clipNorm / norm));
        tagMemory(entry.gradient, 'gradients');
        before.dispose();
      }
    }
    return norm;
  }

  clear(): void {
    for (const entry of this.entries) {
      entry.gradient?.dispose();
      entry.gradient = null;
    }
  }
}
