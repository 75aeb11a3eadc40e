/**
 * Positions between ranks: [samples, positions, ...] put together from each rank's
 * own, or added up so that each gets its own. An array lies by rank while it travels, so that every
 * rank's part is one run of it.
 */
import * as tf from '@tensorflow/tfjs';
import type {Communicator} from '../collectives/types';
import {tagMemory} from '../memory';
import type {SpanRecorder} from '../trace/spans';
import type {LayoutPart} from './rules';

/**
 * Between the order by samples and the order by ranks: calls `copy(bySample, byRank, length)` for
 * each sample's run of each rank.
 */
function eachRun(
  size: number,
  samples: number,
  run: number,
  copy: (bySample: number, byRank: number, length: number) => void,
): void {
  for (let rank = 0; rank < size; rank++)
    for (let sample = 0; sample < samples; sample++)
      copy((sample * size + rank) * run, (rank * samples + sample) * run, run);
}

export class PositionExchange {
  constructor(
    private readonly comm: Communicator,
    private readonly recorder: SpanRecorder | null,
    private readonly positions: LayoutPart,
  ) {}

  private async said(name: string, run: () => Promise<void>): Promise<void> {
    await (this.recorder ? this.recorder.inside('communication', name, run) : run());
  }

  /** All positions from each rank's; `own` stays the caller's. */
  async gather(own: tf.Tensor, name: string, label: string): Promise<tf.Tensor> {
    const {
      comm,
      comm: {rank, size},
      positions: {of},
    } = this;
    const [samples, local, ...rest] = own.shape;
    const all = new Float32Array(own.size * size);
    all.set(own.dataSync() as Float32Array, rank * own.size);
    await this.said(`all-gather ${name}`, () => comm.allGather(all, {label}));
    const whole = new Float32Array(all.length);
    eachRun(size, samples, local * tf.util.sizeFromShape(rest), (bySample, byRank, length) =>
      whole.set(all.subarray(byRank, byRank + length), bySample),
    );
    return this.tagged(whole, [samples, of, ...rest]);
  }

  /** The sum over the ranks, of which each gets its own positions, in `given`'s place. */
  async reduceScatter(given: tf.Tensor, name: string, label: string): Promise<tf.Tensor> {
    const {
      comm,
      comm: {size},
      positions: {start, end},
    } = this;
    const [samples, , ...rest] = given.shape;
    const whole = given.dataSync() as Float32Array;
    const all = new Float32Array(whole.length);
    eachRun(
      size,
      samples,
      (end - start) * tf.util.sizeFromShape(rest),
      (bySample, byRank, length) => all.set(whole.subarray(bySample, bySample + length), byRank),
    );
    given.dispose();
    let own = all;
    await this.said(`reduce-scatter ${name}`, async () => {
      own = await comm.reduceScatter(all, {label});
    });
    return this.tagged(own.slice(), [samples, end - start, ...rest]);
  }

  /** This rank's positions of what all ranks have whole. */
  own(whole: tf.Tensor): tf.Tensor {
    const {start, end} = this.positions;
    return tf.slice(
      whole,
      whole.shape.map((_, i) => (i === 1 ? start : 0)),
      whole.shape.map((length, i) => (i === 1 ? end - start : length)),
    );
  }

  private tagged(values: Float32Array, shape: number[]): tf.Tensor {
    const tensor = tf.tensor(values, shape, 'float32');
    tagMemory(tensor, 'activations');
    return tensor;
  }
}
