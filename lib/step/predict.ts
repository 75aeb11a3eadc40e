/**
 * The forward pass without tapes, as in a prediction.
 */
import * as tf from '@tensorflow/tfjs';
import type {StepContext} from '../base/stepContext';
import type {Graph} from '../model/graph';
import {runHooks, type CommunicatingLayerOf, type StepHooks} from './hooks';
import {applyLayer, maskAfter} from './layerCall';
import {Slots} from './slots';

/**
 * Returns the model's outputs, which the caller disposes of. As in fit, validation leaves out the
 * penalties on weights.
 */
export async function predict(
  graph: Graph,
  inputs: tf.Tensor[],
  context: StepContext,
  hooks: readonly StepHooks[],
  communicatingLayerOf?: CommunicatingLayerOf,
): Promise<tf.Tensor[]> {
  const slots = Slots.ofInputs(graph, inputs);
  try {
    for (const call of graph.calls) {
      await runHooks(hooks, 'beforePredict', call);
      const inputTensors = call.inputs.map((slot) => slots.tensors[slot]!);
      const mask = slots.masks[call.inputs[0]];
      const saved = await communicatingLayerOf?.(call)?.forward(call, inputTensors, {
        ...context,
        layer: call.name,
        training: false,
        mask,
        onTape: async () => {},
      });
      saved?.discard();
      const outputs =
        saved?.outputs ?? tf.tidy(() => applyLayer(call, inputTensors, mask, context, false));
      slots.put(call, outputs, maskAfter(call, inputTensors, mask), false);
      await runHooks(hooks, 'afterPredict', call);
      slots.freeAfter(call);
    }
    return slots.takeOutputs();
  } catch (error) {
    slots.freeAll();
    throw error;
  }
}
