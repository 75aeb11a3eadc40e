/**
 * Layers that take one number of samples only, because their model has a fixed batch size
 * (batchInputShape).
 */
import type * as tf from '@tensorflow/tfjs';
import {ManyHandsError} from '../base/errors';
import type {Graph} from './graph';
import {statefulParts} from './layerState';
import {insistedSamples} from './tfjsLayers';

/** The number of samples that a layer insists on; null for any number. */
function samplesOf(layer: tf.layers.Layer): number | null {
  const [state] = statefulParts(layer);
  return (
    state?.states_?.[0].shape[0] ??
    insistedSamples(layer).find((samples) => samples !== null) ??
    null
  );
}

/**
 * The first layer that insists on a number of samples. Most layers do not, whatever the model's
 * batchInputShape; recurrent layers do if they are stateful, and TimeDistributed does.
 */
export function fixedSamples({calls}: Graph): {name: string; samples: number} | null {
  for (const {name, layer} of calls) {
    const samples = samplesOf(layer);
    if (samples !== null) return {name, samples};
  }
  return null;
}

/**
 * Throws BAD_MODEL if the layers cannot be measured: at other numbers of samples than their own, or
 * at a length that the model leaves open.
 */
export function refuseMeasuring(graph: Graph): void {
  for (const shape of graph.inputShapes.values())
    if (shape.slice(1).includes(null))
      throw new ManyHandsError(
        'BAD_MODEL',
        `an input of the model has the open shape [${shape.map((length) => length ?? 'n').join(', ')}], so the size of its layers is not known before there is data: name a strategy instead of 'auto', or give the input a fixed shape.`,
      );
  const fixed = fixedSamples(graph);
  if (fixed)
    throw new ManyHandsError(
      'BAD_MODEL',
      `the layer '${fixed.name}' takes exactly ${fixed.samples} samples (the first dim of batchInputShape), and the planner measures layers with other numbers: name a strategy instead of 'auto', or use inputShape.`,
    );
}

/** Throws BAD_DATA if a batch of `samples` samples would be smaller than a layer of the model takes. */
export function checkWholeBatches(
  graph: Graph,
  batchSize: number,
  samples: number,
  what: string,
): void {
  const fixed = fixedSamples(graph);
  if (fixed && samples % batchSize !== 0)
    throw new ManyHandsError(
      'BAD_DATA',
      `${what} has ${samples} samples, so its last batch would have ${samples % batchSize}, and the layer '${fixed.name}' takes exactly ${fixed.samples} (the first dim of batchInputShape): give a multiple of batchSize ${batchSize}.`,
    );
}
