/**
 * Forward through the layers without tapes, as at prediction time.
 */
import * as tf from '@tensorflow/tfjs';
import type {StepContext} from '../base/stepContext';
import type {Graph, LayerCall} from '../model/graph';
import {runHooks, type CommunicatingLayerOf, type StepHooks} from './hooks';
import {applyLayer, maskAfter} from './layerCall';
import {penaltiesOf} from './penalties';
import {Slots} from './slots';

/**
 * The outputs, which are the caller's to dispose, and the layers' penalties on their own weights;
 * `counts`: of which calls' layers and weights this rank adds them. `halvesOf`: of layers that talk
 * in their middle.
 */
export async function predict(
  graph: Graph,
  inputs: tf.Tensor[],
  context: StepContext,
  hooks: readonly StepHooks[],
  {
    counts = () => true,
    halvesOf,
  }: {
    counts?(call: LayerCall, variable: tf.Variable | null): boolean;
    halvesOf?: CommunicatingLayerOf;
  } = {},
): Promise<{outputs: tf.Tensor[]; penalty: number}> {
  const slots = Slots.ofInputs(graph, inputs);
  const counted = new Set<tf.layers.Layer>();
  let penalty = 0;
  try {
    for (const call of graph.calls) {
      await runHooks(hooks, 'beforePredict', call);
      const given = call.inputs.map((slot) => slots.tensors[slot]!);
      const mask = slots.masks[call.inputs[0]];
      const half = await halvesOf?.(call)?.forward(call, given, {
        ...context,
        layer: call.name,
        training: false,
        mask,
        taped: async () => {},
      });
      half?.discard();
      const outputs = half?.outputs ?? tf.tidy(() => applyLayer(call, given, mask, context, false));
      slots.put(call, outputs, maskAfter(call, given, mask), false);
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
