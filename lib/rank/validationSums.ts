/**
 * The loss and metrics of validation, batch by batch as in fit: those of each batch, averaged over
 * the batches by their samples (tfjs-layers 4.22, training.ts, testLoop).
 */
import type {Objective, Sums, Values} from '../step/objective';

export class ValidationSums {
  /** This rank's sums of each batch. */
  private readonly batches: Array<{sums: Sums; samples: number}> = [];

  constructor(private readonly objective: Objective) {}

  /** `sums`: this rank's part of a batch, null without samples; `samples`: those of all ranks. */
  add(sums: Sums | null, samples: number): void {
    this.batches.push({sums: sums ?? this.objective.noEvaluationSums(), samples});
  }

  /** `sumOverRanks` adds up the numbers of all ranks; it is called once. */
  async values(sumOverRanks: (local: Sums) => Sums | Promise<Sums>): Promise<Values> {
    const {objective, batches} = this;
    const width = objective.noEvaluationSums().length;
    const samples = batches.reduce((total, batch) => total + batch.samples, 0);
    const mean = (rows: readonly number[][]): number[] =>
      rows[0].map((_, i) =>
        rows.reduce((sum, row, b) => sum + (row[i] * batches[b].samples) / samples, 0),
      );
    const rows = batches.map(({sums}) => sums);
    // The mean of means is the mean of all batches, so one row is enough.
    if (objective.evaluatesMeans) return objective.finishEvaluation(await sumOverRanks(mean(rows)));
    const all = await sumOverRanks(rows.flat());
    return mean(
      batches.map((_, b) => objective.finishEvaluation(all.slice(b * width, (b + 1) * width))),
    );
  }
}
