/**
 * Validation of one rank: which samples it is done on, and its logs.
 */
import {shardBatch} from '../dataParallel/shardBatch';
import {makeBatch} from '../job/batches';
import type {CheckedData} from '../job/checkData';
import type {JobOptions, Logs} from '../job/protocol';
import {trainedSamples} from '../job/trainedSamples';
import type {BatchPart, RankStrategy} from '../step/strategy';
import type {Stepper} from '../step/trainStep';
import {named} from './logs';
import {ValidationSums} from './validationSums';

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

  /** `step`: how many steps were taken before. */
  async run(step: number): Promise<Logs> {
    if (!this.validates) return {};
    const {axis, options, stepper, strategy} = this;
    const data = this.separate ?? this.data;
    const sums = new ValidationSums(stepper.objective);
    const {batchSize} = options;
    const first = this.separate ? 0 : this.trained;
    for (let start = first; start < data.samples; start += batchSize) {
      const batch = range(start, Math.min(start + batchSize, data.samples));
      const [{indices, firstSample}] = shardBatch([batch], axis.rank, axis.size);
      if (indices.length === 0) await strategy?.emptyRankPredict?.();
      const part: BatchPart = {
        samples: indices.length,
        firstSample,
        validation: {step, batch: (start - first) / batchSize},
        share: indices.length / batch.length,
        make: (need) =>
          makeBatch(
            data,
            indices,
            data.ys.map(() => null),
            need,
          ),
      };
      sums.add(indices.length > 0 ? await stepper.evaluate(part) : null, batch.length);
    }
    return named(this.names, await sums.values((local) => strategy?.sumValues(local) ?? local));
  }
}
