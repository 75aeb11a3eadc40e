/**
 * Validation of one rank: which samples it is done on, and its logs.
 */
import {shardBatch} from '../dataParallel/shardBatch';
import type {CheckedData} from '../job/checkData';
import type {JobOptions, Logs} from '../job/protocol';
import {trainedSamples} from '../job/trainedSamples';
import type {BatchPart, RankStrategy} from '../step/strategy';
import type {Stepper} from '../step/trainStep';
import {makeBatch} from './batches';
import {Mean, named} from './logs';

export function range(from: number, to: number): Int32Array {
  return Int32Array.from({length: to - from}, (_, i) => from + i);
}

export class Validation {
  /** How many samples of the training data are trained on. */
  readonly trained: number;

  /** `separate`: validation data that the caller gave; null for the last samples of `data`. */
  constructor(
    private readonly data: CheckedData,
    private readonly separate: CheckedData | null,
    private readonly options: Pick<JobOptions, 'batchSize' | 'validationSplit'>,
    private readonly stepper: Stepper,
    private readonly strategy: RankStrategy | null,
    private readonly axis: {rank: number; size: number},
  ) {
    this.trained = separate ? data.samples : trainedSamples(data.samples, options.validationSplit);
  }

  private get names(): string[] {
    return this.stepper.objective.names.map((name) => `val_${name}`);
  }

  private get validates(): boolean {
    return this.separate !== null || this.trained < this.data.samples;
  }

  /** The names of an epoch's logs. */
  logNames(): string[] {
    return [...this.stepper.objective.names, ...(this.validates ? this.names : [])];
  }

  async run(): Promise<Logs> {
    if (!this.validates) return {};
    const data = this.separate ?? this.data;
    const {names} = this;
    const mean = new Mean(names.length);
    const {batchSize} = this.options;
    for (let start = this.separate ? 0 : this.trained; start < data.samples; start += batchSize) {
      const batch = range(start, Math.min(start + batchSize, data.samples));
      const [{indices}] = shardBatch([batch], this.axis.rank, this.axis.size);
      if (indices.length === 0) await this.strategy?.emptyRankPredict?.();
      const part: BatchPart = {
        samples: indices.length,
        firstSample: 0,
        share: 1,
        make: (need) =>
          makeBatch(
            data,
            indices,
            data.ys.map(() => null),
            need,
          ),
      };
      const values = indices.length > 0 ? await this.stepper.evaluate(part) : names.map(() => 0);
      mean.add(values, indices.length, batch.length);
    }
    const values = this.strategy ? await this.strategy.sumValues(mean.values()) : mean.values();
    return named(names, values);
  }
}
