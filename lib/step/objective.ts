/**
 * Loss and metrics of a compiled model for the outputs of one micro-batch, as tfjs's
 * `fit` computes them (tfjs-layers 4.22, training.ts, makeTrainFunction).
 */
import * as tf from '@tensorflow/tfjs';
import {compiledLoss, compiledModel, type CompiledModel} from '../model/tfjsInternals';
import {batchNumber, metricsOf, type BatchNumber} from './batchNumbers';
import {Losses} from './losses';
import type {Graph} from '../model/graph';
import type {GradientSum} from './gradientSum';
import {countAll, hasPenalties, penaltiesOf, type PenaltyCounts} from './penalties';
import {backward, record} from './tape';

/**
 * The shape of the targets of an output of `shape`. The sparse losses take a class number instead
 * of one share a class.
 */
export function targetShape(
  compiled: Pick<CompiledModel, 'loss' | 'outputNames'>,
  output: number,
  shape: readonly number[],
): {shape: number[]; sparse: boolean} {
  const sparse = String(compiledLoss(compiled, output)).startsWith('sparse');
  return {shape: sparse ? [...shape.slice(0, -1), 1] : [...shape], sparse};
}

/** Loss first, then the metrics, in the order of the model's metric names. */
export type Values = number[];

/**
 * What the loss and the metrics of a batch are computed from: numbers that are added up over the
 * parts of the batch, and over ranks. The first one is the loss.
 */
export type Sums = number[];

export const addSums = (a: Sums, b: Sums): Sums => a.map((value, i) => value + b[i]);

const zeros = (length: number): Sums => new Array<number>(length).fill(0);

/** Splits `sums` among the numbers that they belong to and finishes each. */
function finishAll(numbers: readonly BatchNumber[], sums: Sums): Values {
  let start = 0;
  return numbers.map((number) => {
    start += number.width;
    return number.finish(sums.slice(start - number.width, start));
  });
}

const widthOf = (numbers: readonly BatchNumber[]) =>
  numbers.reduce((sum, {width}) => sum + width, 0);

/**
 * The loss and metrics of a compiled model. A batch may be divided into parts: each part gives
 * `Sums`, which are added up and then finished once for the whole batch.
 */
export class Objective {
  readonly names: string[];
  readonly losses: Losses;
  private readonly metrics: Array<{number: BatchNumber; output: number}>;

  constructor(
    model: tf.LayersModel,
    private readonly graph: Graph,
  ) {
    const compiled = compiledModel(model);
    this.names = compiled.getDedupedMetricsNames();
    this.losses = new Losses(model);
    this.metrics = metricsOf(compiled).map((metric) => ({
      number: batchNumber(metric),
      output: metric.output,
    }));
  }

  private get metricNumbers(): BatchNumber[] {
    return this.metrics.map(({number}) => number);
  }

  private metricSums(outputs: tf.Tensor[], targets: tf.Tensor[], share: number): Sums {
    return this.metrics.flatMap(({number, output}) =>
      number.sums(targets[output], outputs[output], share),
    );
  }

  /** The loss, and with several outputs the loss of each. */
  private get lossCount(): number {
    return this.losses.length > 1 ? 1 + this.losses.length : 1;
  }

  /** What a rank without samples contributes to a training batch. */
  noSums(): Sums {
    return zeros(this.lossCount + widthOf(this.metricNumbers));
  }

  /**
   * The contribution of one part of a batch: `outputs` against `targets` (one tensor a model output;
   * `weights`: one number a sample or position, or null), and for each output the gradient of the
   * part's contribution to the loss. `share`: the part's samples divided by those of the whole
   * batch. The caller disposes of the gradients.
   */
  withGradient(
    outputs: tf.Tensor[],
    targets: tf.Tensor[],
    weights: Array<tf.Tensor | null>,
    share: number,
  ): {sums: Sums; gradients: tf.Tensor[]} {
    const scales: number[] = [];
    const {outputs: losses, tape} = record(outputs, () =>
      outputs.map((output, i) => {
        const {loss, isMean} = this.losses.contribution(i, targets[i], output, weights[i]);
        scales.push(isMean ? share : 1);
        return loss;
      }),
    );
    const seeds = scales.map((scale) => tf.scalar(scale));
    const gradientsById = backward(tape, new Map(losses.map(({id}, i) => [id, seeds[i]])));
    const gradients = outputs.map((output) => gradientsById.get(output.id) ?? tf.zerosLike(output));
    const values = losses.map((loss, i) => scales[i] * loss.dataSync()[0]);
    tf.dispose([...losses, ...seeds]);
    // fit lists the loss of each output if there are several.
    const total = values.reduce((sum, value) => sum + value);
    const lossSums = values.length > 1 ? [total, ...values] : [total];
    return {sums: [...lossSums, ...this.metricSums(outputs, targets, share)], gradients};
  }

  /** The loss and the metrics of a training batch. */
  finish(sums: Sums): Values {
    const losses = sums.slice(0, this.lossCount);
    return [...losses, ...finishAll(this.metricNumbers, sums.slice(losses.length))];
  }

  private get evaluated(): BatchNumber[] {
    return [...this.losses.numbers, ...this.metricNumbers];
  }

  /** What a rank without samples contributes to a validation batch. */
  noEvaluationSums(): Sums {
    return zeros(widthOf(this.evaluated));
  }

  /** Whether validation gives means alone, whose sums may be averaged over batches. */
  get evaluatesMeans(): boolean {
    return this.evaluated.every(({width}) => width === 1);
  }

  /** A part's contribution to a validation batch, without gradients and sample weights. */
  evaluate(outputs: tf.Tensor[], targets: tf.Tensor[], share: number): Sums {
    return [
      ...this.losses.numbers.flatMap((number, i) => number.sums(targets[i], outputs[i], share)),
      ...this.metricSums(outputs, targets, share),
    ];
  }

  /**
   * The loss and the metrics of a validation batch, as fit lists them: without the penalties on
   * weights, and, with several outputs, shifted. tfjs's testFunction returns the running sums of
   * the outputs' losses and after them each output's loss and the metrics; fit gives the names of
   * the training numbers to the first of these. So 'val_loss' is then the first output's loss.
   */
  finishEvaluation(sums: Sums): Values {
    const numbers = finishAll(this.evaluated, sums);
    const losses = numbers.slice(0, this.losses.length);
    if (losses.length === 1) return numbers;
    const runningSums = losses.map((_, i) => losses.slice(0, i + 1).reduce((a, b) => a + b));
    return [...runningSums, ...numbers].slice(0, this.names.length);
  }

  /** Whether any layer has a penalty on its weights. */
  get penalizes(): boolean {
    return this.graph.calls.some(({layer}) => hasPenalties(layer));
  }

  /** Returns the sum of all penalties on weights and adds their gradients to `sum`. */
  regularize(sum: GradientSum): number {
    let penalty = 0;
    for (const layer of new Set(this.graph.calls.map((call) => call.layer)))
      penalty += this.regularizeLayer(layer, sum);
    return penalty;
  }

  /**
   * `regularize` for one layer, for each of its applications, multiplied by `share`. `counts`: which weights' penalties this rank
   * adds to the loss and to the gradient.
   */
  regularizeLayer(
    layer: tf.layers.Layer,
    sum: GradientSum,
    share = 1,
    counts: PenaltyCounts = countAll,
  ): number {
    // fit counts a penalty once for each application of its layer.
    const weight = share * (this.graph.penaltyUses.get(layer) ?? 0);
    let penalty = 0;
    if (weight === 0) return penalty;
    for (const {loss, variable} of penaltiesOf(layer)) {
      const {value: counted, gradient} = counts(variable);
      if (!counted && !gradient) continue;
      const {
        outputs: [value],
        tape,
      } = record(sum.weightsOf(layer), () => [loss()]);
      const seed = tf.scalar(weight);
      const gradients = backward(tape, new Map([[value.id, seed]]));
      if (gradient) sum.add(layer, gradients);
      else tf.dispose([...gradients.values()]);
      if (counted) penalty += weight * value.dataSync()[0];
      tf.dispose([value, seed]);
    }
    return penalty;
  }
}
