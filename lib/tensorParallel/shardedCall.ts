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
import type {LayoutRange, ShardedLayer} from './rules';

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
    private readonly tensorContext: TensorContext,
    private readonly sharded: ShardedLayer,
    private readonly range: LayoutRange,
  ) {}

  /** All ranks' tensors added up, in `given`'s place. */
  private async sum(summand: tf.Tensor, name: string, label: string): Promise<tf.Tensor> {
    const {comm, recorder} = this.tensorContext;
    const values = summand.dataSync().slice() as Float32Array;
    const run = () => comm.allReduce(values, {label});
    await (recorder ? recorder.inside('communication', name, run) : run());
    const {shape} = summand;
    summand.dispose();
    const sum = tf.tensor(values, shape, 'float32');
    tagMemory(sum, 'activations');
    return sum;
  }

  /** All ranks' parts of the last dim, side by side, in `given`'s place. */
  private async gather(shard: tf.Tensor, name: string): Promise<tf.Tensor> {
    const {comm, recorder} = this.tensorContext;
    const {rank, size} = comm;
    const rows = shard.shape.slice(0, -1);
    const count = rows.reduce((product, length) => product * length, 1);
    const {of} = this.range;
    const bounds = Array.from({length: size + 1}, (_, r) => count * partStart(r, of, size));
    const byRank = new Float32Array(count * of);
    byRank.set(shard.dataSync() as Float32Array, bounds[rank]);
    shard.dispose();
    const label = 'gathered outputs';
    const run = async () => {
      if (of % size === 0) await comm.allGather(byRank, {label});
      else
        for (let r = 0; r < size; r++)
          await comm.broadcast(byRank.subarray(bounds[r], bounds[r + 1]), {root: r, label});
    };
    await (recorder ? recorder.inside('communication', name, run) : run());
    const gathered = tf.tidy(() =>
      tf.concat(
        Array.from({length: size}, (_, r) =>
          tf.tensor(byRank.slice(bounds[r], bounds[r + 1]), [
            ...rows,
            (bounds[r + 1] - bounds[r]) / count,
          ]),
        ),
        rows.length,
      ),
    );
    tagMemory(gathered, 'activations');
    return gathered;
  }

  async forward(
    call: LayerCall,
    [inputTensor]: tf.Tensor[],
    callContext: CommunicatingContext,
  ): Promise<SavedForward> {
    const {
      sharded,
      range: range,
      tensorContext: tensorContext,
      tensorContext: {positions},
    } = this;
    const {layer, name} = call;
    const gathers = tensorContext.byPositions(call.inputs[0]);
    const scatters = tensorContext.byPositions(call.outputs[0]);
    const input = gathers ? await positions!.gather(inputTensor, name, FORWARD) : inputTensor;
    const looksUp = input.dtype !== 'float32';
    const wants = !looksUp && tensorContext.wantsInput(call);
    const sources = [...(wants ? [input] : []), ...tensorContext.weightsOf(layer)];
    const layerPart_ = withStepContext(callContext, () =>
      record(sources, () => [
        sharded.partial
          ? sharded.partial(layer, input, range)
          : (layer.apply(input, {training: callContext.training}) as tf.Tensor),
      ]),
    );
    const inputShape = input.shape;
    if (gathers) input.dispose();
    const [partial] = layerPart_.outputs;
    const placement = sharded.outputPlacement(input.rank);
    const label = looksUp ? 'embedding' : FORWARD;
    let finishPart_: Recorded | null = null;
    let output = partial;
    try {
      await callContext.onTape(layerPart_.tape);
      if (placement === 'gathered') output = await this.gather(partial, `all-gather ${name}`);
      else if (placement === 'partial')
        output = scatters
          ? await positions!.reduceScatter(partial, name, label)
          : await this.sum(partial, `all-reduce ${name}`, label);
    } catch (error) {
      discard(layerPart_.tape);
      throw error;
    }
    const sum = output;
    if (sharded.finish) {
      finishPart_ = withStepContext(callContext, () =>
        record([sum, ...tensorContext.weightsOf(layer)], () => [sharded.finish!(layer, sum)]),
      );
      [output] = finishPart_.outputs;
      sum.dispose();
      await callContext.onTape(finishPart_.tape);
    }
    const shape = output.shape;
    return {
      outputs: [output],
      backward: async ([outputGradient]) => {
        const dy = outputGradient ? tf.clone(outputGradient) : tf.zeros(shape);
        const finishGradients = finishPart_
          ? backward(finishPart_.tape, new Map([[output.id, dy]]))
          : new Map([[sum.id, tf.clone(dy)]]);
        dy.dispose();
        const dSum = finishGradients.get(sum.id) ?? tf.zeros(sum.shape);
        finishGradients.delete(sum.id);
        let dPartial = dSum;
        if (placement === 'gathered') dPartial = this.shardOf(dSum);
        else if (scatters)
          dPartial = await positions!.gather(dSum, `${name}, gradient`, looksUp ? label : BACKWARD);
        if (dPartial !== dSum) dSum.dispose();
        const partialGradients = backward(layerPart_.tape, new Map([[partial.id, dPartial]]));
        dPartial.dispose();
        const inputGradient = wants ? (partialGradients.get(input.id) ?? tf.zeros(inputShape)) : null;
        partialGradients.delete(input.id);
        return {
          inputs: [inputGradient && (await this.completed(call, inputGradient, gathers))],
          weights: merged(partialGradients, finishGradients),
        };
      },
      discard: () => {
        discard(layerPart_.tape);
        if (finishPart_) discard(finishPart_.tape);
      },
      recompute: (inputs, context) => this.forward(call, inputs, context),
    };
  }

  /** This rank's part of a gathered output's gradient. */
  private shardOf(full: tf.Tensor): tf.Tensor {
    const {start, end} = this.range;
    const last = full.rank - 1;
    return tf.slice(
      full,
      full.shape.map((_, i) => (i === last ? start : 0)),
      full.shape.map((length, i) => (i === last ? end - start : length)),
    );
  }

  /** The gradient of the call's input, from this rank's part of it: f's backward. */
  private async completed(call: LayerCall, summand: tf.Tensor, gathers: boolean): Promise<tf.Tensor> {
    const {tensorContext: tensorContext, sharded} = this;
    const name = `${call.name}, gradient`;
    if (gathers) return tensorContext.positions!.reduceScatter(summand, name, BACKWARD);
    return sharded.inputPlacement === 'replicate'
      ? this.sum(summand, `all-reduce ${name}`, BACKWARD)
      : summand;
  }
}
