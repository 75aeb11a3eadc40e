/**
 * Applies one layer to tensors within a training step.
 */
import * as tf from '@tensorflow/tfjs';
import {dropoutWithContext} from '../base/dropout';
import {withStepContext, type StepContext} from '../base/stepContext';
import type {LayerCall} from '../model/graph';
import {dropoutFields, maskingFields} from '../model/tfjsLayers';

/**
 * Applies the layer. tfjs's own Dropout with a seed draws the same mask at every step, and without
 * one no two devices draw the same, so its masks come from the counter-based generator.
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
    const inputIds = new Set(inputs.map((input) => input.id));
    const options: Record<string, unknown> = {training};
    if (mask) options.mask = mask;
    const result = layer.apply(inputs.length === 1 ? inputs[0] : inputs, options) as
      | tf.Tensor
      | tf.Tensor[];
    const outputs = Array.isArray(result) ? result : [result];
    // A layer that returns its input (a linear activation), or one tensor twice (an LSTM with
    // returnState: its output is its state), needs a handle of its own for each output.
    return outputs.map((output, i) =>
      inputIds.has(output.id) || outputs.indexOf(output) < i ? tf.clone(output) : output,
    );
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
