/**
 * Worker side. A divided layer walked in two halves, with Megatron's f and g around them (Shoeybi et al. 2019, section 3): f is nothing forward and an
 * all-reduce backward, g an all-reduce forward and nothing backward.
 */
import * as tf from '@tensorflow/tfjs';
import {withStepContext} from '../base/stepContext';
import {partStart, type Communicator} from '../collectives/types';
import {tagMemory} from '../memory';
import type {LayerCall} from '../step/graph';
import type {HalfForward, LayerHalves} from '../step/hooks';
import {backward, discard, record, type Recorded} from '../step/tape';
import type {SpanRecorder} from '../trace/spans';
import type {LayoutPart, ShardedLayer} from './rules';

/** What the halves of all calls have in common. */
export interface Around {
  comm: Communicator;
  recorder: SpanRecorder | null;
  weightsOf(layer: tf.layers.Layer): tf.Variable[];
  /** Whether a gradient flows on from the call's input. */
  wantsInput(call: LayerCall): boolean;
}

/** Gradients by id, added where both halves have one. */
function merged(first: Map<number, tf.Tensor>, second: Map<number, tf.Tensor>): Map<number, tf.Tensor> {
  for (const [id, gradient] of second) {
    const before = first.get(id);
    first.set(id, before ? tf.add(before, gradient) : gradient);
    if (before) tf.dispose([before, gradient]);
  }
  return first;
}

export class ShardedCall implements LayerHalves {
  constructor(private readonly around: Around, private readonly sharded: ShardedLayer, private readonly part: LayoutPart) {}

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
      else for (let r = 0; r < size; r++) await comm.broadcast(all.subarray(bounds[r], bounds[r + 1]), {root: r, label});
    };
    await (recorder ? recorder.inside('communication', name, run) : run());
    const whole = tf.tidy(() => tf.concat(Array.from({length: size}, (_, r) => tf.tensor(all.slice(bounds[r], bounds[r + 1]), [...rows, (bounds[r + 1] - bounds[r]) / count])), rows.length));
    tagMemory(whole, 'activations');
    return whole;
  }

  async forward(call: LayerCall, [input]: tf.Tensor[]): Promise<HalfForward> {
    const {sharded, part, around} = this;
    const {layer, name} = call;
    const sources = [...(input.dtype === 'float32' ? [input] : []), ...around.weightsOf(layer)];
    const context = {seed: 0, layer: name, step: 0, firstSample: 0};
    const first = withStepContext(context, () => record(sources, () => [sharded.partial ? sharded.partial(layer, input, part) : (layer.apply(input, {training: true}) as tf.Tensor)]));
    const [partial] = first.outputs;
    const gives = sharded.gives(input.rank);
    const looksUp = input.dtype !== 'float32';
    let second: Recorded | null = null;
    let output = partial;
    try {
      if (gives === 'gathered') output = await this.gather(partial, `gather ${name}`);
      else if (gives === 'sum') output = await this.sum(partial, `all-reduce ${name}`, looksUp ? 'embedding' : 'activations');
    } catch (error) {
      discard(first.tape);
      throw error;
    }
    const sum = output;
    if (sharded.finish) {
      second = withStepContext(context, () => record([sum, ...around.weightsOf(layer)], () => [sharded.finish!(layer, sum)]));
      [output] = second.outputs;
      sum.dispose();
    }
    const shape = output.shape;
    return {
      outputs: [output],
      backward: async ([given]) => {
        const dy = given ? tf.clone(given) : tf.zeros(shape);
        const later = second ? backward(second.tape, new Map([[output.id, dy]])) : new Map([[sum.id, tf.clone(dy)]]);
        let dPartial = later.get(sum.id) ?? tf.zeros(sum.shape);
        later.delete(sum.id);
        if (gives === 'gathered') {
          const whole = dPartial;
          const at = whole.shape.map((_, i) => (i === whole.rank - 1 ? part.start : 0));
          dPartial = tf.slice(whole, at, whole.shape.map((length, i) => (i === whole.rank - 1 ? part.end - part.start : length)));
          whole.dispose();
        }
        const found = backward(first.tape, new Map([[partial.id, dPartial]]));
        tf.dispose([dy, dPartial]);
        const own = found.get(input.id) ?? tf.zerosLike(input);
        found.delete(input.id);
        const completes = sharded.takes === 'whole' && around.wantsInput(call);
        return {inputs: [completes ? await this.sum(own, `all-reduce ${name}, gradient`, 'activation gradients') : own], weights: merged(found, later)};
      },
      discard: () => {
        discard(first.tape);
        if (second) discard(second.tape);
      },
      again: (inputs) => this.forward(call, inputs),
    };
  }
}
