/**
 * Positions between ranks: [samples, positions, ...] put together from each rank's
 * own, or added up so that each gets its own. An array lies by rank while it travels, so that every
 * rank's part is one run of it.
 */
import * as tf from '@tensorflow/tfjs';
import type {Communicator} from '../collectives/types';
import {tagMemory} from '../memory';
import type {SpanRecorder} from '../trace/spans';
import type {LayoutRange} from './rules';

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
    private readonly positions: LayoutRange,
  ) {}

  private async recorded(name: string, run: () => Promise<void>): Promise<void> {
    await (this.recorder ? this.recorder.inside('communication', name, run) : run());
  }

  /** All positions from each rank's; `own` stays the caller's. */
  async gather(localPositions_TMP: tf.Tensor, name: string, label: string): Promise<tf.Tensor> {
    const {
      comm,
      comm: {rank, size},
      positions: {of},
    } = this;
    const [samples, localPositions_TMP, ...rest] = localPositions_TMP.shape;
    const byRank = new Float32Array(localPositions_TMP.size * size);
    byRank.set(localPositions_TMP.dataSync() as Float32Array, rank * localPositions_TMP.size);
    await this.recorded(`all-gather ${name}`, () => comm.allGather(byRank, {label}));
    const bySample = new Float32Array(byRank.length);
    eachRun(size, samples, localPositions_TMP * tf.util.sizeFromShape(rest), (bySample, byRank, length) =>
      bySample.set(byRank.subarray(byRank, byRank + length), bySample),
    );
    return this.tagged(bySample, [samples, of, ...rest]);
  }

  /** The sum over the ranks, of which each gets its own positions, in `given`'s place. */
  async reduceScatter(summand: tf.Tensor, name: string, label: string): Promise<tf.Tensor> {
    const {
      comm,
      comm: {size},
      positions: {start, end},
    } = this;
    const [samples, , ...rest] = summand.shape;
    const bySample = summand.dataSync() as Float32Array;
    const byRank = new Float32Array(bySample.length);
    eachRun(
      size,
      samples,
      (end - start) * tf.util.sizeFromShape(rest),
      (bySample, byRank, length) => byRank.set(bySample.subarray(bySample, bySample + length), byRank),
    );
    summand.dispose();
    let summed = byRank;
    await this.recorded(`reduce-scatter ${name}`, async () => {
      summed = await comm.reduceScatter(byRank, {label});
    });
    return this.tagged(summed.slice(), [samples, end - start, ...rest]);
  }

  /** This rank's positions of what all ranks have whole. */
  localOf(full: tf.Tensor): tf.Tensor {
    const {start, end} = this.positions;
    return tf.slice(
      full,
      full.shape.map((_, i) => (i === 1 ? start : 0)),
      full.shape.map((length, i) => (i === 1 ? end - start : length)),
    );
  }

  private tagged(values: Float32Array, shape: number[]): tf.Tensor {
    const tensor = tf.tensor(values, shape, 'float32');
    tagMemory(tensor, 'activations');
    return tensor;
  }
}
