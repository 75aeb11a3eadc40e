/**
 * The forward pass without tapes, as in a prediction.
 */
import * as tf from '@tensorflow/tfjs';
import type {StepContext} from '../base/stepContext';
import type {Graph} from '../model/graph';
import {runHooks, type CommunicatingLayerOf, type StepHooks} from './hooks';
import {applyLayer} from './layerCall';
import {maskAfter} from './masks';
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
  const slots = Slots.ofInputs(graph, inputs, {training: false});
  try {
    for (const call of graph.calls) {
      await runHooks(hooks, 'beforePredict', call);
      const inputTensors = call.inputs.map((slot) => slots.tensors[slot]!);
      const masks = slots.masksFor(call);
      const saved = await communicatingLayerOf?.(call)?.forward(call, inputTensors, {
        ...context,
        layer: call.name,
        training: false,
        mask: masks.argument,
        onTape: async () => {},
      });
      saved?.discard();
      const outputs =
        saved?.outputs ??
        tf.tidy(() => applyLayer(call, inputTensors, masks.argument, context, false));
      slots.put(call, outputs, maskAfter(call, inputTensors, masks), false);
      await runHooks(hooks, 'afterPredict', call);
      slots.freeAfter(call);
    }
    return slots.takeOutputs();
  } catch (error) {
    slots.freeAll();
    throw error;
  }
}
