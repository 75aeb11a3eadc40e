/**
 * How one layer is applied to tensors within a training step.
 */
import * as tf from '@tensorflow/tfjs';
import {dropoutWithContext} from '../base/dropout';
import {withStepContext, type StepContext} from '../base/stepContext';
import type {LayerCall} from '../model/graph';
import {dropoutFields, maskingFields} from '../model/tfjsLayers';

/**
 * Applies the layer; tfjs's own Dropout draws the same mask at every step once it has a seed, and
 * none that two devices could share, so its masks come from the counter-based generator instead.
 */
export function applyLayer(
  call: LayerCall,
  inputs: tf.Tensor[],
  mask: tf.Tensor | null,
  context: StepContext,
  training: boolean,
): tf.Tensor[] {
  const {layer} = call;
  return withStepContext({...context, layer: call.name}, () => {
    if (training && layer.getClassName() === 'Dropout' && !dropoutFields(layer).noiseShape) {
      const {rate} = dropoutFields(layer);
      return [
        rate > 0
          ? dropoutWithContext(inputs[0], rate, {...context, layer: call.name})
          : tf.clone(inputs[0]),
      ];
    }
    const given = new Set(inputs.map((input) => input.id));
    const options: Record<string, unknown> = {training};
    if (mask) options.mask = mask;
    const result = layer.apply(inputs.length === 1 ? inputs[0] : inputs, options) as
      | tf.Tensor
      | tf.Tensor[];
    const outputs = Array.isArray(result) ? result : [result];
    // A layer that hands its input through (a linear activation) must not share its owner.
    return outputs.map((output) => (given.has(output.id) ? tf.clone(output) : output));
  });
}

/** The mask that a layer hands on to the next (Embedding's maskZero, Masking), or null. */
export function maskAfter(
  call: LayerCall,
  inputs: tf.Tensor[],
  mask: tf.Tensor | null,
): tf.Tensor | null {
  const layer = maskingFields(call.layer);
  if (!layer.supportsMasking) return null;
  const [own] = tf.tidy(() => {
    const one = inputs.length === 1;
    const after = layer.computeMask(
      one ? inputs[0] : inputs,
      one ? mask : inputs.map(() => mask as tf.Tensor),
    );
    const first = Array.isArray(after) ? after[0] : after;
    // Its own handle, whether it was made here or handed through.
    return first ? [tf.clone(first)] : [];
  });
  return own ?? null;
}
