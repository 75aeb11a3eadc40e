/**
 * A layer that no rank divides, where ranks hold their own positions: on those alone
 * where it treats each by itself, else on all of them, gathered, and the same on every rank.
 */
import * as tf from '@tensorflow/tfjs';
import {withStepContext} from '../base/stepContext';
import type {LayerCall} from '../model/graph';
import type {SavedForward, CommunicatingContext, CommunicatingLayer} from '../step/hooks';
import {applyLayer} from '../step/layerCall';
import {backward, discard, record} from '../step/tape';
import {perPositionOf} from './perPosition';
import type {LayoutPart} from './rules';
import type {TensorContext} from './shardedCall';

export class SequenceCall implements CommunicatingLayer {
  constructor(
    private readonly around: TensorContext,
    private readonly positions: LayoutPart,
  ) {}

  private apply(
    call: LayerCall,
    inputs: tf.Tensor[],
    how: CommunicatingContext,
    alone: boolean,
  ): tf.Tensor[] {
    const {positions} = this;
    const context = alone ? {...how, positions} : how;
    const own = alone ? perPositionOf(call.layer)?.apply : undefined;
    return own
      ? [withStepContext(context, () => own(call.layer, inputs[0], positions))]
      : applyLayer(call, inputs, how.mask, context, how.training);
  }

  async forward(
    call: LayerCall,
    given: tf.Tensor[],
    how: CommunicatingContext,
  ): Promise<SavedForward> {
    const {around} = this;
    const alone = around.byPositions(call.outputs[0]);
    const gathers = call.inputs.map((slot) => !alone && around.byPositions(slot));
    const inputs: tf.Tensor[] = [];
    // The same tensor twice is gathered once.
    for (const [i, tensor] of given.entries())
      inputs.push(
        inputs[given.indexOf(tensor)] ??
          (gathers[i] ? await around.positions!.gather(tensor, call.name, 'activations') : tensor),
      );
    const sources = [...new Set(inputs.filter(({dtype}) => dtype === 'float32'))];
    const {outputs, tape} = record([...sources, ...around.weightsOf(call.layer)], () =>
      this.apply(call, inputs, how, alone),
    );
    const shapes = inputs.map(({shape}) => shape);
    tf.dispose(inputs.filter((_, i) => gathers[i]));
    await how.taped(tape);
    const ids = outputs.map(({id, shape}) => ({id, shape}));
    return {
      outputs,
      backward: async (from) => {
        const weights = backward(
          tape,
          new Map(ids.flatMap(({id}, i) => (from[i] ? [[id, from[i]] as const] : []))),
        );
        const found = inputs.map(({id}, i) => {
          // Of a tensor that is given twice the tape has one gradient, summed.
          const whole =
            (inputs.findIndex((input) => input.id === id) === i && weights.get(id)) ||
            tf.zeros(shapes[i]);
          weights.delete(id);
          if (!gathers[i]) return whole;
          // All ranks have computed the same: nothing has to be added.
          const own = around.positions!.own(whole);
          whole.dispose();
          return own;
        });
        return {inputs: found, weights};
      },
      discard: () => discard(tape),
      recompute: (again, context) => this.forward(call, again, context),
    };
  }
}
