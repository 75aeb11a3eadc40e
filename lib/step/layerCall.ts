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
import {disposeCellMasks} from '../model/tfjsLayers';
import {explained} from './layerErrors';

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

/**
 * Applies the layer; `mask` is among the arguments of its `call`. What it draws is the same on every
 * rank and whenever it runs again. Throws BAD_MODEL or BAD_DATA with the layer's name if that fails.
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
    // A layer that returns its input (a linear activation), or one tensor twice (a recurrent layer's
    // output and state), needs handles of its own.
    return outputs.map((output, i) =>
      inputIds.has(output.id) || outputs.indexOf(output) < i ? tf.clone(output) : output,
    );
  });
}
