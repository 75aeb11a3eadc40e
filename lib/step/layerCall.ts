/**
 * Applies one layer to tensors within a training step.
 */
import * as tf from '@tensorflow/tfjs';
import {withDraws} from '../base/draws';
import type {StepContext} from '../base/stepContext';
import type {LayerCall} from '../model/graph';
import {rowsOfDraws} from '../model/layerDraws';
// This import makes tfjs's operations draw from the streams of the layer that is called.
import '../model/randomOps';
import {disposeCellMasks, maskingFields} from '../model/tfjsLayers';

/**
 * Runs `run` as this call of a layer, whose random numbers it then draws: a function of the seed,
 * the call's place in the graph, the step and the samples.
 */
export function withLayerContext<T>(
  call: LayerCall,
  samples: number,
  context: StepContext,
  training: boolean,
  run: () => T,
): T {
  return withDraws(
    {...context, layer: call.name},
    {place: call.index, samples, rows: rowsOfDraws(call, training)},
    run,
  );
}

/** Applies the layer. What it draws is the same on every rank and whenever it runs again. */
export function applyLayer(
  call: LayerCall,
  inputs: tf.Tensor[],
  mask: tf.Tensor | null,
  context: StepContext,
  training: boolean,
): tf.Tensor[] {
  const {layer} = call;
  return withLayerContext(call, inputs[0].shape[0], context, training, () => {
    const inputIds = new Set(inputs.map((input) => input.id));
    const options: Record<string, unknown> = {training};
    if (mask) options.mask = mask;
    // A generic RNN would keep its cells' first masks for all later calls.
    disposeCellMasks(layer);
    const result = layer.apply(inputs.length === 1 ? inputs[0] : inputs, options) as
      | tf.Tensor
      | tf.Tensor[];
    disposeCellMasks(layer);
    const outputs = Array.isArray(result) ? result : [result];
    // A layer that returns its input (a linear activation) needs a handle of its own.
    return outputs.map((output) => (inputIds.has(output.id) ? tf.clone(output) : output));
  });
}

/** The mask that a layer passes on (Masking, or Embedding with maskZero); null without one. */
export function maskAfter(
  call: LayerCall,
  inputs: tf.Tensor[],
  mask: tf.Tensor | null,
): tf.Tensor | null {
  const layer = maskingFields(call.layer);
  if (!layer.supportsMasking) return null;
  const [outputMask] = tf.tidy(() => {
    const single = inputs.length === 1;
    const computed = layer.computeMask(
      single ? inputs[0] : inputs,
      single ? mask : inputs.map(() => mask as tf.Tensor),
    );
    const first = Array.isArray(computed) ? computed[0] : computed;
    // A handle of its own, whether the mask is new or was passed through.
    return first ? [tf.clone(first)] : [];
  });
  return outputMask ?? null;
}
