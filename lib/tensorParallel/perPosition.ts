/**
 * Layers that treat every position of [samples, positions, ...] by itself, so that a
 * rank can work on its own positions alone.
 */
import * as tf from '@tensorflow/tfjs';
import {dropoutFields, normalizedAxes} from '../model/tfjsLayers';
import type {PositionEmbedding} from '../models/layers/positionEmbedding';
import type {LayoutRange} from './rules';

/** How one layer class works on a run of positions. */
export interface PerPosition {
  /** Whether this layer does, as it is configured; all of the class do without it. */
  when?(layer: tf.layers.Layer): boolean;
  /**
   * Its result on `x` [samples, end - start, ...], where it needs to know which positions those
   * are; without it the layer's own `apply`.
   */
  apply?(layer: tf.layers.Layer, x: tf.Tensor, positions: LayoutRange): tf.Tensor;
}

const registry = new Map<string, PerPosition>();

/**
 * Registers a layer class as one that treats every position by itself; a module of your own does so
 * beside tf.serialization.registerClass.
 */
export function registerPerPosition(className: string, perPosition: PerPosition = {}): void {
  registry.set(className, perPosition);
}

/** How the layer works on a run of positions; null where it needs all. */
export function perPositionOf(layer: tf.layers.Layer): PerPosition | null {
  const registered = registry.get(layer.getClassName());
  return registered && (registered.when?.(layer) ?? true) ? registered : null;
}

// A Dense layer multiplies the last dim, whatever stands before it.
for (const name of [
  'ManyHands>LayerNorm',
  'ManyHands>Dropout',
  'Add',
  'Subtract',
  'Multiply',
  'Average',
  'Maximum',
  'Minimum',
  'Activation',
  'ReLU',
  'LeakyReLU',
  'ELU',
  'ThresholdedReLU',
  'Dense',
])
  registerPerPosition(name);

registerPerPosition('Dropout', {
  when: (layer) => !dropoutFields(layer).noiseShape,
});

registerPerPosition('LayerNormalization', {
  when: (layer) => normalizedAxes(layer).every((axis) => axis > 1),
});

registerPerPosition('ManyHands>PositionEmbedding', {
  apply: (layer, x, {start, end}) =>
    tf.add(
      x,
      tf.slice((layer as PositionEmbedding)['positions'].read(), [start, 0], [end - start, -1]),
    ),
});
