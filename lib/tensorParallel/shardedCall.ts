/**
 * A sharded layer with Megatron's f before it and g after it (Shoeybi et al. 2019,
 * section 3). f is the identity forward and an all-reduce backward; g is an all-reduce forward and
 * the identity backward. With sequence parallelism f becomes an all-gather and g a reduce-scatter,
 * and each is the backward of the other (Korthikanti et al. 2022, section 4.2.2).
 */
import * as tf from '@tensorflow/tfjs';
import {withStepContext} from '../base/stepContext';
import {partStart, type Communicator} from '../collectives/types';
import {tagMemory} from '../memory';
import type {LayerCall, Slot} from '../model/graph';
import type {SavedForward, CommunicatingContext, CommunicatingLayer} from '../step/hooks';
import {applyLayer, withLayerContext} from '../step/layerCall';
import {backward, discard, record, type Recorded} from '../step/tape';
import type {SpanRecorder} from '../trace/spans';
import type {PositionExchange} from './positions';
import type {LayoutPart, ShardedLayer} from './rules';

/** What all calls of a tensor-parallel rank share. */
export interface TensorContext {
  comm: Communicator;
  recorder: SpanRecorder | null;
  weightsOf(layer: tf.layers.Layer): tf.Variable[];
  /** Whether the gradient of the call's input is needed. */
  wantsInput(call: LayerCall): boolean;
  /** For sequence parallelism; null without it. */
  positions: PositionExchange | null;
  /** Whether a rank holds only its own positions of the slot. */
  byPositions(slot: Slot): boolean;
}

const FORWARD = 'activations';
const BACKWARD = 'activation gradients';

/** Gradients by id, added where both maps have one; consumes both. */
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
    private readonly range: LayoutPart,
  ) {}

  /** The sum of all ranks' `summand`. Consumes `summand`. */
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

  /** All ranks' shards concatenated along the last dim. Consumes `shard`. */
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
      range,
      tensorContext,
      tensorContext: {positions},
    } = this;
    const {layer, name} = call;
    const gathers = tensorContext.byPositions(call.inputs[0]);
    const scatters = tensorContext.byPositions(call.outputs[0]);
    const input = gathers ? await positions!.gather(inputTensor, name, FORWARD) : inputTensor;
    const looksUp = input.dtype !== 'float32';
    const wants = !looksUp && tensorContext.wantsInput(call);
    const sources = [...(wants ? [input] : []), ...tensorContext.weightsOf(layer)];
    const samples = input.shape[0];
    const {training} = callContext;
    const partialResult = withLayerContext(call, samples, callContext, training, () =>
      record(sources, () => [
        sharded.partial
          ? sharded.partial(layer, input, range)
          : applyLayer(call, [input], callContext.mask, callContext, callContext.training)[0],
      ]),
    );
    const inputShape = input.shape;
    if (gathers) input.dispose();
    const [partial] = partialResult.outputs;
    const placement = sharded.outputPlacement(input.rank);
    const label = looksUp ? 'embedding' : FORWARD;
    let finished: Recorded | null = null;
    let output = partial;
    try {
      await callContext.onTape(partialResult.tape);
      if (placement === 'gathered') output = await this.gather(partial, `all-gather ${name}`);
      else if (placement === 'partial')
        output = scatters
          ? await positions!.reduceScatter(partial, name, label)
          : await this.sum(partial, `all-reduce ${name}`, label);
    } catch (error) {
      discard(partialResult.tape);
      throw error;
    }
    const sum = output;
    if (sharded.finish) {
      finished = withStepContext(callContext, () =>
        record([sum, ...tensorContext.weightsOf(layer)], () => [sharded.finish!(layer, sum)]),
      );
      [output] = finished.outputs;
      sum.dispose();
      await callContext.onTape(finished.tape);
    }
    const shape = output.shape;
    return {
      outputs: [output],
      backward: async ([outputGradient]) => {
        const dy = outputGradient ? tf.clone(outputGradient) : tf.zeros(shape);
        const finishGradients = finished
          ? backward(finished.tape, new Map([[output.id, dy]]))
          : new Map([[sum.id, tf.clone(dy)]]);
        dy.dispose();
        const dSum = finishGradients.get(sum.id) ?? tf.zeros(sum.shape);
        finishGradients.delete(sum.id);
        let dPartial = dSum;
        if (placement === 'gathered') dPartial = this.shardOf(dSum);
        else if (scatters)
          dPartial = await positions!.gather(dSum, `${name}, gradient`, looksUp ? label : BACKWARD);
        if (dPartial !== dSum) dSum.dispose();
        const partialGradients = backward(partialResult.tape, new Map([[partial.id, dPartial]]));
        dPartial.dispose();
        const inputGradient = wants
          ? (partialGradients.get(input.id) ?? tf.zeros(inputShape))
          : null;
        partialGradients.delete(input.id);
        return {
          inputs: [inputGradient && (await this.completed(call, inputGradient, gathers))],
          weights: merged(partialGradients, finishGradients),
        };
      },
      discard: () => {
        discard(partialResult.tape);
        if (finished) discard(finished.tape);
      },
      recompute: (inputs, context) => this.forward(call, inputs, context),
    };
  }

  /** This rank's shard of the gradient of a gathered output. */
  private shardOf(full: tf.Tensor): tf.Tensor {
    const {start, end} = this.range;
    const last = full.rank - 1;
    return tf.slice(
      full,
      full.shape.map((_, i) => (i === last ? start : 0)),
      full.shape.map((length, i) => (i === last ? end - start : length)),
    );
  }

  /** f's backward: the gradient of the call's input from this rank's summand, which it consumes. */
  private async completed(
    call: LayerCall,
    summand: tf.Tensor,
    gathers: boolean,
  ): Promise<tf.Tensor> {
    const {tensorContext, sharded} = this;
    const name = `${call.name}, gradient`;
    if (gathers) return tensorContext.positions!.reduceScatter(summand, name, BACKWARD);
    return sharded.inputPlacement === 'replicate'
      ? this.sum(summand, `all-reduce ${name}`, BACKWARD)
      : summand;
  }
}
