/**
 * A divided layer walked in two halves, with Megatron's f and g around them (Shoeybi
 * et al. 2019, section 3): f is nothing forward and an all-reduce backward, g an all-reduce forward
 * and nothing backward. Where ranks hold their own positions, an all-gather and a reduce-scatter
 * stand in their places, each backward the other (Korthikanti et al. 2022, section 4.2.2).
 */
import * as tf from '@tensorflow/tfjs';
import {withStepContext} from '../base/stepContext';
import {partStart, type Communicator} from '../collectives/types';
import {tagMemory} from '../memory';
import type {LayerCall, Slot} from '../model/graph';
import type {SavedForward, CommunicatingContext, CommunicatingLayer} from '../step/hooks';
import {backward, discard, record, type Recorded} from '../step/tape';
import type {SpanRecorder} from '../trace/spans';
import type {PositionExchange} from './positions';
import type {LayoutPart, ShardedLayer} from './rules';

/** What the halves of all calls have in common. */
export interface TensorContext {
  comm: Communicator;
  recorder: SpanRecorder | null;
  weightsOf(layer: tf.layers.Layer): tf.Variable[];
  /** Whether a gradient flows on from the call's input. */
  wantsInput(call: LayerCall): boolean;
  /** Of sequence parallelism; null without it. */
  positions: PositionExchange | null;
  /** Whether a rank holds its own positions of a slot, and not all. */
  byPositions(slot: Slot): boolean;
}

const FORWARD = 'activations';
const BACKWARD = 'activation gradients';

/** Gradients by id, added where both halves have one. */
function merged(
  first: Map<number, tf.Tensor>,
  second: Map<number, tf.Tensor>,
): Map<number, tf.Tensor> {
  for (const [id, gradient] of second) {
    const before = first.get(id);
    first.set(id, before ? tf.add(before, gradient) : gradient);
    if (before) tf.dispose([before, gradient]);
  }
  return first;
}

export class ShardedCall implements CommunicatingLayer {
  constructor(
    private readonly around: TensorContext,
    private readonly sharded: ShardedLayer,
    private readonly part: LayoutPart,
  ) {}

  /** All ranks' tensors added up, in `given`'s place. */
  private async sum(given: tf.Tensor, name: string, label: string): Promise<tf.Tensor> {
    const {comm, recorder} = this.around;
    const values = given.dataSync().slice() as Float32Array;
    const run = () => comm.allReduce(values, {label});
    await (recorder ? recorder.inside('communication', name, run) : run());
    const {shape} = given;
    given.dispose();
    const sum = tf.tensor(values, shape, 'float32');
    tagMemory(sum, 'activations');
    return sum;
  }

  /** All ranks' parts of the last dim, side by side, in `given`'s place. */
  private async gather(given: tf.Tensor, name: string): Promise<tf.Tensor> {
    const {comm, recorder} = this.around;
    const {rank, size} = comm;
    const rows = given.shape.slice(0, -1);
    const count = rows.reduce((product, length) => product * length, 1);
    const {of} = this.part;
    const bounds = Array.from({length: size + 1}, (_, r) => count * partStart(r, of, size));
    const all = new Float32Array(count * of);
    all.set(given.dataSync() as Float32Array, bounds[rank]);
    given.dispose();
    const label = 'gathered outputs';
    const run = async () => {
      if (of % size === 0) await comm.allGather(all, {label});
      else
        for (let r = 0; r < size; r++)
          await comm.broadcast(all.subarray(bounds[r], bounds[r + 1]), {root: r, label});
    };
    await (recorder ? recorder.inside('communication', name, run) : run());
    const whole = tf.tidy(() =>
      tf.concat(
        Array.from({length: size}, (_, r) =>
          tf.tensor(all.slice(bounds[r], bounds[r + 1]), [
            ...rows,
            (bounds[r + 1] - bounds[r]) / count,
          ]),
        ),
        rows.length,
      ),
    );
    tagMemory(whole, 'activations');
    return whole;
  }

  async forward(
    call: LayerCall,
    [given]: tf.Tensor[],
    how: CommunicatingContext,
  ): Promise<SavedForward> {
    const {
      sharded,
      part,
      around,
      around: {positions},
    } = this;
    const {layer, name} = call;
    const gathers = around.byPositions(call.inputs[0]);
    const scatters = around.byPositions(call.outputs[0]);
    const input = gathers ? await positions!.gather(given, name, FORWARD) : given;
    const looksUp = input.dtype !== 'float32';
    const wants = !looksUp && around.wantsInput(call);
    const sources = [...(wants ? [input] : []), ...around.weightsOf(layer)];
    const first = withStepContext(how, () =>
      record(sources, () => [
        sharded.partial
          ? sharded.partial(layer, input, part)
          : (layer.apply(input, {training: how.training}) as tf.Tensor),
      ]),
    );
    const inputShape = input.shape;
    if (gathers) input.dispose();
    const [partial] = first.outputs;
    const gives = sharded.outputPlacement(input.rank);
    const label = looksUp ? 'embedding' : FORWARD;
    let second: Recorded | null = null;
    let output = partial;
    try {
      await how.taped(first.tape);
      if (gives === 'gathered') output = await this.gather(partial, `all-gather ${name}`);
      else if (gives === 'partial')
        output = scatters
          ? await positions!.reduceScatter(partial, name, label)
          : await this.sum(partial, `all-reduce ${name}`, label);
    } catch (error) {
      discard(first.tape);
      throw error;
    }
    const sum = output;
    if (sharded.finish) {
      second = withStepContext(how, () =>
        record([sum, ...around.weightsOf(layer)], () => [sharded.finish!(layer, sum)]),
      );
      [output] = second.outputs;
      sum.dispose();
      await how.taped(second.tape);
    }
    const shape = output.shape;
    return {
      outputs: [output],
      backward: async ([from]) => {
        const dy = from ? tf.clone(from) : tf.zeros(shape);
        const later = second
          ? backward(second.tape, new Map([[output.id, dy]]))
          : new Map([[sum.id, tf.clone(dy)]]);
        dy.dispose();
        const dSum = later.get(sum.id) ?? tf.zeros(sum.shape);
        later.delete(sum.id);
        let dPartial = dSum;
        if (gives === 'gathered') dPartial = this.ownOf(dSum);
        else if (scatters)
          dPartial = await positions!.gather(dSum, `${name}, gradient`, looksUp ? label : BACKWARD);
        if (dPartial !== dSum) dSum.dispose();
        const found = backward(first.tape, new Map([[partial.id, dPartial]]));
        dPartial.dispose();
        const own = wants ? (found.get(input.id) ?? tf.zeros(inputShape)) : null;
        found.delete(input.id);
        return {
          inputs: [own && (await this.completed(call, own, gathers))],
          weights: merged(found, later),
        };
      },
      discard: () => {
        discard(first.tape);
        if (second) discard(second.tape);
      },
      recompute: (inputs, context) => this.forward(call, inputs, context),
    };
  }

  /** This rank's part of a gathered output's gradient. */
  private ownOf(whole: tf.Tensor): tf.Tensor {
    const {start, end} = this.part;
    const last = whole.rank - 1;
    return tf.slice(
      whole,
      whole.shape.map((_, i) => (i === last ? start : 0)),
      whole.shape.map((length, i) => (i === last ? end - start : length)),
    );
  }

  /** The gradient of the call's input, from this rank's part of it: f's backward. */
  private async completed(call: LayerCall, own: tf.Tensor, gathers: boolean): Promise<tf.Tensor> {
    const {around, sharded} = this;
    const name = `${call.name}, gradient`;
    if (gathers) return around.positions!.reduceScatter(own, name, BACKWARD);
    return sharded.inputPlacement === 'replicate'
      ? this.sum(own, `all-reduce ${name}`, BACKWARD)
      : own;
  }
}
