/**
 * Exchanges positions between ranks: an all-gather of each rank's positions of [samples,
 * positions, ...], and a reduce-scatter that leaves each rank the sum of its own. While an array
 * travels it is ordered by rank, so that every rank's shard is contiguous.
 */
import * as tf from '@tensorflow/tfjs';
import type {Communicator} from '../collectives/types';
import {tagMemory} from '../memory';
import type {SpanRecorder} from '../trace/spans';
import type {LayoutPart} from './rules';

/**
 * Calls `copy(sampleOffset, rankOffset, length)` for each run of elements of one sample and one
 * rank: its offset in the order by samples, and in the order by ranks.
 */
function eachRun(
  size: number,
  samples: number,
  run: number,
  copy: (sampleOffset: number, rankOffset: number, length: number) => void,
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

  private async recorded(name: string, run: () => Promise<void>): Promise<void> {
    await (this.recorder ? this.recorder.inside('communication', name, run) : run());
  }

  /** All positions, gathered from each rank's `local` ones. The caller keeps `local`. */
  async gather(local: tf.Tensor, name: string, label: string): Promise<tf.Tensor> {
    const {
      comm,
      comm: {rank, size},
      positions: {of},
    } = this;
    const [samples, localLength, ...rest] = local.shape;
    const byRank = new Float32Array(local.size * size);
    byRank.set(local.dataSync() as Float32Array, rank * local.size);
    await this.recorded(`all-gather ${name}`, () => comm.allGather(byRank, {label}));
    const bySample = new Float32Array(byRank.length);
    eachRun(
      size,
      samples,
      localLength * tf.util.sizeFromShape(rest),
      (sampleOffset, rankOffset, length) =>
        bySample.set(byRank.subarray(rankOffset, rankOffset + length), sampleOffset),
    );
    return this.activations(bySample, [samples, of, ...rest]);
  }

  /** The sum of all ranks' `summand` at this rank's positions. Consumes `summand`. */
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
      (sampleOffset, rankOffset, length) =>
        byRank.set(bySample.subarray(sampleOffset, sampleOffset + length), rankOffset),
    );
    summand.dispose();
    let localSum = byRank;
    await this.recorded(`reduce-scatter ${name}`, async () => {
      localSum = await comm.reduceScatter(byRank, {label});
    });
    return this.activations(localSum.slice(), [samples, end - start, ...rest]);
  }

  /** This rank's positions of a tensor that all ranks have whole. */
  localOf(full: tf.Tensor): tf.Tensor {
    const {start, end} = this.positions;
    return tf.slice(
      full,
      full.shape.map((_, i) => (i === 1 ? start : 0)),
      full.shape.map((length, i) => (i === 1 ? end - start : length)),
    );
  }

  private activations(values: Float32Array, shape: number[]): tf.Tensor {
    const tensor = tf.tensor(values, shape, 'float32');
    tagMemory(tensor, 'activations');
    return tensor;
  }
}
