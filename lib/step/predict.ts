/**
 * The forward pass without tapes, as in a prediction.
 */
import * as tf from '@tensorflow/tfjs';
import type {StepContext} from '../base/stepContext';
import type {Graph, LayerCall} from '../model/graph';
import {runHooks, type CommunicatingLayerOf, type StepHooks} from './hooks';
import {applyLayer, maskAfter} from './layerCall';
import {penaltiesOf} from './penalties';
import {Slots} from './slots';

/**
 * The model's outputs, which the caller disposes of, and the sum of the penalties on weights.
 * `counts`: which calls' and weights' penalties this rank adds.
 */
export async function predict(
  graph: Graph,
  inputs: tf.Tensor[],
  context: StepContext,
  hooks: readonly StepHooks[],
  {
    counts = () => true,
    communicatingLayerOf,
  }: {
    counts?(call: LayerCall, variable: tf.Variable | null): boolean;
    communicatingLayerOf?: CommunicatingLayerOf;
  } = {},
): Promise<{outputs: tf.Tensor[]; penalty: number}> {
  const slots = Slots.ofInputs(graph, inputs);
  const counted = new Set<tf.layers.Layer>();
  let penalty = 0;
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
      if (!counted.has(call.layer))
        for (const {loss, variable} of penaltiesOf(call.layer))
          if (counts(call, variable)) penalty += tf.tidy(loss).dataSync()[0];
      counted.add(call.layer);
      await runHooks(hooks, 'afterPredict', call);
      slots.freeAfter(call);
    }
    return {outputs: slots.takeOutputs(), penalty};
  } catch (error) {
    slots.freeAll();
    throw error;
  }
}
