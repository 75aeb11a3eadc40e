/**
 * Layers that treat every position of [samples, positions, ...] independently, so that a
 * rank can run them on its own positions.
 */
import * as tf from '@tensorflow/tfjs';
import {dropoutFields, normalizedAxes} from '../model/tfjsLayers';
import type {PositionEmbedding} from '../models/layers/positionEmbedding';
import type {LayoutPart} from './rules';

/** How one layer class runs on a range of positions. */
export interface PerPosition {
  /**
   * Whether this layer, as configured, treats positions independently. @default every layer does
   */
  when?(layer: tf.layers.Layer): boolean;
  /**
   * The layer's result for `x` [samples, end - start, ...], for a layer that must know which
   * positions these are. @default the layer's own `apply`
   */
  apply?(layer: tf.layers.Layer, x: tf.Tensor, positions: LayoutPart): tf.Tensor;
}

const registry = new Map<string, PerPosition>();

/**
 * Registers a layer class that treats every position of [samples, positions, ...] independently.
 * With `sequenceParallel` such a layer then runs on each rank's own positions; any other replicated
 * layer runs on all of them, gathered. Call it in the module that registers the class with
 * `tf.serialization.registerClass`, because every worker imports that module. A second call for the
 * same class replaces the first. Source: Korthikanti et al. 2022, section 4.2.2.
 */
export function registerPerPosition(className: string, perPosition: PerPosition = {}): void {
  registry.set(className, perPosition);
}

/** How the layer runs on a range of positions; null if it needs all positions. */
export function perPositionOf(layer: tf.layers.Layer): PerPosition | null {
  const registered = registry.get(layer.getClassName());
  return registered && (registered.when?.(layer) ?? true) ? registered : null;
}

// A Dense layer multiplies the last dim, whatever the dims before it are.
for (const name of [
  'ManyHands>LayerNorm',
  'ManyHands>Dropout',
  'GaussianNoise',
  'GaussianDropout',
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

for (const name of ['Dropout', 'AlphaDropout'])
  registerPerPosition(name, {when: (layer) => !dropoutFields(layer).noiseShape});

registerPerPosition('LayerNormalization', {
  when: (layer) => normalizedAxes(layer).every((axis) => axis > 1),
});

registerPerPosition('ManyHands>PositionEmbedding', {
  apply: (layer, x, {start, end}) =>
    tf.add(
      x,
      tf.slice((layer as PositionEmbedding).positions.read(), [start, 0], [end - start, -1]),
    ),
});
