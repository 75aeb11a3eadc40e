/**
 * Loss and metrics as fit logs them: means over batches, by name.
 */
import type {Logs} from '../job/protocol';

export function named(names: string[], values: number[]): Logs {
  return Object.fromEntries(names.map((name, i) => [name, values[i]]));
}

/** The mean of logs over batches, weighted by samples, as in fit's epoch logs. */
export class Mean {
  private readonly sums: number[];
  private samples = 0;
  constructor(values: number) {
    this.sums = new Array<number>(values).fill(0);
  }
  /** Adds the means of `samples` samples. */
  add(values: number[], samples: number): void {
    values.forEach((value, i) => {
      this.sums[i] += value * samples;
    });
    this.samples += samples;
  }
  values(): number[] {
    return this.sums.map((sum) => sum / this.samples);
  }
}
