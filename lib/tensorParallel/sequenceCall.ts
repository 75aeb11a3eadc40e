/**
 * A replicated layer under sequence parallelism. A layer that treats every position
 * independently runs on the rank's own positions; any other layer runs on all of them, gathered,
 * with the same result on every rank.
 */
import * as tf from '@tensorflow/tfjs';
import type {LayerCall} from '../model/graph';
import type {SavedForward, CommunicatingContext, CommunicatingLayer} from '../step/hooks';
import {applyLayer, withLayerContext} from '../step/layerCall';
import {backward, discard, record} from '../step/tape';
import {perPositionOf} from './perPosition';
import type {LayoutPart} from './rules';
import type {TensorContext} from './shardedCall';

export class SequenceCall implements CommunicatingLayer {
  constructor(
    private readonly tensorContext: TensorContext,
    private readonly positions: LayoutPart,
  ) {}

  private apply(
    call: LayerCall,
    inputs: tf.Tensor[],
    callContext: CommunicatingContext,
    local: boolean,
  ): tf.Tensor[] {
    const {positions} = this;
    const {mask, training} = callContext;
    const context = local ? {...callContext, positions} : callContext;
    const perPosition = local ? perPositionOf(call.layer)?.apply : undefined;
    return perPosition
      ? [
          withLayerContext(call, inputs[0].shape[0], context, training, () =>
            perPosition(call.layer, inputs[0], positions),
          ),
        ]
      : applyLayer(call, inputs, mask, context, training);
  }

  async forward(
    call: LayerCall,
    inputTensors: tf.Tensor[],
    callContext: CommunicatingContext,
  ): Promise<SavedForward> {
    const {tensorContext} = this;
    const local = tensorContext.byPositions(call.outputs[0]);
    const gathers = call.inputs.map((slot) => !local && tensorContext.byPositions(slot));
    const inputs: tf.Tensor[] = [];
    // A tensor that is passed twice is gathered once.
    for (const [i, tensor] of inputTensors.entries())
      inputs.push(
        inputs[inputTensors.indexOf(tensor)] ??
          (gathers[i]
            ? await tensorContext.positions!.gather(tensor, call.name, 'activations')
            : tensor),
      );
    const sources = [...new Set(inputs.filter(({dtype}) => dtype === 'float32'))];
    const {outputs, tape} = record([...sources, ...tensorContext.weightsOf(call.layer)], () =>
      this.apply(call, inputs, callContext, local),
    );
    const shapes = inputs.map(({shape}) => shape);
    tf.dispose(inputs.filter((_, i) => gathers[i]));
    await callContext.onTape(tape);
    const ids = outputs.map(({id, shape}) => ({id, shape}));
    return {
      outputs,
      backward: async (outputGradients) => {
        const weights = backward(
          tape,
          new Map(
            ids.flatMap(({id}, i) =>
              outputGradients[i] ? [[id, outputGradients[i]] as const] : [],
            ),
          ),
        );
        const inputGradients = inputs.map(({id}, i) => {
          // The tape has one summed gradient for a tensor that is passed twice.
          const full =
            (inputs.findIndex((input) => input.id === id) === i && weights.get(id)) ||
            tf.zeros(shapes[i]);
          weights.delete(id);
          if (!gathers[i]) return full;
          // All ranks have computed the same gradient, so there is nothing to sum.
          const localGradient = tensorContext.positions!.localOf(full);
          full.dispose();
          return localGradient;
        });
        return {inputs: inputGradients, weights};
      },
      discard: () => discard(tape),
      recompute: (inputsAgain, context) => this.forward(call, inputsAgain, context),
    };
  }
}
