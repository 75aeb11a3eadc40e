/**
 * The losses of a compiled model's outputs. Most are means over samples; one that a function of a
 * user's own returns as a sum and a count is divided by the count of the whole batch, which must be
 * known before the first pass over a part of it. A mean over valid targets that is taken in each
 * micro-batch and then averaged is not the mean over the batch (Hugging Face, October 2024, "Fixing
 * Gradient Accumulation").
 */
import * as tf from '@tensorflow/tfjs';
import {ManyHandsError} from '../base/errors';
import {
  compiledLoss,
  compiledModel,
  symbolicOutputs,
  type CompiledModel,
  type LossFunction,
} from '../model/tfjsInternals';
import {isOfTfjs, meanOf, ofUser, type BatchNumber} from './batchNumbers';
import {quickLoss} from './fastLosses';
import {countOf, isSumAndCount, isSumOverCount, quotientOf, resultOf} from './sumAndCount';

/** The shape of `target`'s output; a dim that the model leaves open is as long as the target's. */
export function outputShapeFor(open: ReadonlyArray<number | null>, target: tf.Tensor): number[] {
  return open.map((length, dim) =>
    dim === 0 ? target.shape[0] : (length ?? target.shape[dim] ?? 1),
  );
}

/** How an error names the loss of an output; `exported`: the name of the export that it is. */
export function lossName(
  compiled: Pick<CompiledModel, 'loss' | 'outputNames'>,
  output: number,
  exported?: string,
): string {
  const loss = compiledLoss(compiled, output);
  const name = exported ?? (typeof loss === 'function' ? loss.name : String(loss));
  const {outputNames} = compiled;
  const where = outputNames.length > 1 ? ` of the output '${outputNames[output]}'` : '';
  return `the loss ${name ? `'${name}'` : '(a function without a name)'}${where}`;
}

/** The loss of each sample or position, times the weight of its sample. */
function weighted(loss: tf.Tensor, weight: tf.Tensor | null): tf.Tensor {
  if (!weight) return loss;
  const ones = new Array<number>(Math.max(0, loss.rank - weight.rank)).fill(1);
  return tf.mul(loss, tf.reshape(weight, [...weight.shape, ...ones]));
}

export class Losses {
  private readonly compiled: CompiledModel;
  private readonly functions: LossFunction[];
  private readonly shapes: ReadonlyArray<ReadonlyArray<number | null>>;
  /** For each output, whether its loss is a sum over a count. */
  private counted: boolean[];
  /** For each output the count of the whole batch; null if a part is the whole batch. */
  private totals: number[] | null = null;
  /** The counts of this rank's parts before the passes, and those that the passes met. */
  private expected: number[] = [];
  private met: number[] = [];

  constructor(model: tf.LayersModel) {
    this.compiled = compiledModel(model);
    this.shapes = symbolicOutputs(model).map(({shape}) => shape);
    this.functions = this.compiled.lossFunctions.map((fn, i) => quickLoss(this.given(i), fn));
    this.counted = this.functions.map(isSumOverCount);
  }

  /** What `compile` was given for an output. */
  private given(output: number): unknown {
    return compiledLoss(this.compiled, output);
  }

  get length(): number {
    return this.functions.length;
  }

  /** Whether some loss is a function of a user's own, so that `read` must be called. */
  get areOfUser(): boolean {
    return this.functions.some((_, i) => !isOfTfjs(this.given(i)));
  }

  /** Whether the counts of a batch must be known before its first pass. */
  get needCounts(): boolean {
    return this.counted.includes(true);
  }

  /**
   * Finds out which losses return a sum and a count, by calling them with the targets of some
   * samples and outputs of 0.
   */
  read(targets: tf.Tensor[]): void {
    this.counted = this.functions.map((_, i) => {
      if (isOfTfjs(this.given(i))) return false;
      let isCounted = false;
      tf.tidy(() => {
        isCounted = isSumAndCount(this.resultOfZeros(targets[i], i));
      });
      return isCounted;
    });
  }

  private resultOfZeros(target: tf.Tensor, output: number) {
    const zeros = tf.zeros(outputShapeFor(this.shapes[output], target));
    return resultOf(this.functions[output], target, zeros);
  }

  /** For each output the count of its loss for these targets; 0 for a loss that is a mean. */
  countsOf(targets: tf.Tensor[]): number[] {
    return this.functions.map((_, i) => {
      if (!this.counted[i]) return 0;
      return tf.tidy(() => {
        const result = this.resultOfZeros(targets[i], i);
        return isSumAndCount(result) ? countOf(result) : 0;
      });
    });
  }

  /**
   * Begins a step. `counts`: those of this rank's parts and those of the whole batch; null if the
   * step has a single part, which is the whole batch.
   */
  begin(counts: {local: number[]; total: number[]} | null): void {
    this.totals = counts?.total ?? null;
    this.expected = counts?.local ?? [];
    this.met = this.functions.map(() => 0);
  }

  /** After a step's passes. Throws BAD_MODEL if a count depends on the outputs. */
  checkCounts(): void {
    this.expected.forEach((expected, output) => {
      const met = this.met[output];
      if (Math.abs(met - expected) <= 1e-4 * Math.max(Math.abs(met), Math.abs(expected))) return;
      throw new ManyHandsError(
        'BAD_MODEL',
        `${lossName(this.compiled, output)} returns the count ${expected} for outputs of 0 and ${met} for the model's outputs. ` +
          'Where a batch is divided, its count is summed before the first pass, so it must depend on the targets alone.',
      );
    });
  }

  /**
   * The contribution of a part's output to the loss, as a scalar. `isMean`: it must still be
   * multiplied by the part's share of the samples.
   */
  contribution(
    i: number,
    target: tf.Tensor,
    output: tf.Tensor,
    weight: tf.Tensor | null,
  ): {loss: tf.Tensor; isMean: boolean} {
    const result = resultOf(this.functions[i], target, output);
    if (!isSumAndCount(result)) return {loss: tf.mean(weighted(result, weight)), isMean: true};
    if (!this.totals) return {loss: quotientOf(result), isMean: true};
    this.met[i] += countOf(result);
    return {loss: tf.div(tf.sum(result.sum), this.totals[i] || 1), isMean: false};
  }

  /** The loss of each output in validation, where the counts are not known beforehand. */
  get numbers(): BatchNumber[] {
    return this.functions.map((fn, i) => (this.counted[i] ? ofUser(fn) : meanOf(fn)));
  }
}
