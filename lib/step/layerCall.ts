/**
 * Applies one layer to tensors within a training step.
 */
import * as tf from '@tensorflow/tfjs';
import {dropoutWithContext} from '../base/dropout';
import {withStepContext, type StepContext} from '../base/stepContext';
import type {LayerCall} from '../model/graph';
import {dropoutFields} from '../model/tfjsLayers';
import {explained} from './layerErrors';

/**
 * Applies the layer; `mask` is among the arguments of its `call`. Throws BAD_MODEL or BAD_DATA with
 * the layer's name if that fails. tfjs's own Dropout with a seed draws the same mask at every step, and without
 * one no two devices draw the same, so its masks come from the counter-based generator.
 */
export function applyLayer(
  call: LayerCall,
  inputs: tf.Tensor[],
  mask: tf.Tensor | null,
  context: StepContext,
  training: boolean,
): tf.Tensor[] {
  return explained(call, inputs, mask, () => applied(call, inputs, mask, context, training));
}

function applied(
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
    // A layer that returns its input (a linear activation), or one tensor twice (a recurrent layer's
    // output and state), needs handles of its own.
    return outputs.map((output, i) =>
      inputIds.has(output.id) || outputs.indexOf(output) < i ? tf.clone(output) : output,
    );
  });
}
