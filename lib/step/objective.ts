/**
 * Loss and metrics of a compiled model for the outputs of one micro-batch, as tfjs's
 * `fit` computes them (tfjs-layers 4.22, training.ts, makeTrainFunction).
 */
import * as tf from '@tensorflow/tfjs';
import {
  compiledLoss,
  compiledModel,
  type CompiledModel,
  type LossFunction,
} from '../model/tfjsInternals';
import {quickLoss} from './fastLosses';
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

export class Objective {
  private readonly compiled: CompiledModel;
  private readonly lossFunctions: LossFunction[];
  readonly names: string[];

  constructor(
    model: tf.LayersModel,
    private readonly graph: Graph,
  ) {
    this.compiled = compiledModel(model);
    this.names = this.compiled.getDedupedMetricsNames();
    const {lossFunctions} = this.compiled;
    this.lossFunctions = lossFunctions.map((lossFunction, output) =>
      quickLoss(compiledLoss(this.compiled, output), lossFunction),
    );
  }

  /**
   * The loss of `outputs` against `targets` (one tensor a model output; `weights`: one number a
   * sample, or null), the metrics, and for each output the gradient of `share` times the loss. The
   * caller disposes of the gradients.
   */
  withGradient(
    outputs: tf.Tensor[],
    targets: tf.Tensor[],
    weights: Array<tf.Tensor | null>,
    share: number,
  ): {values: Values; gradients: tf.Tensor[]} {
    const outputLosses: tf.Tensor[] = [];
    const {
      outputs: [total],
      tape,
    } = record(outputs, () => {
      const losses = this.losses(outputs, targets, weights);
      // fit lists the loss of each output if there are several.
      if (outputs.length > 1) for (const loss of losses) outputLosses.push(tf.keep(tf.mean(loss)));
      return [tf.mean(losses.reduce((sum, loss) => tf.add(sum, loss)))];
    });
    const seed = tf.scalar(share);
    const gradientsById = backward(tape, new Map([[total.id, seed]]));
    const gradients = outputs.map((output) => gradientsById.get(output.id) ?? tf.zerosLike(output));
    const values = this.values(total, outputLosses, outputs, targets);
    tf.dispose([total, seed, ...outputLosses]);
    return {values, gradients};
  }

  /** `withGradient` without gradients and sample weights, as tfjs validates. */
  evaluate(outputs: tf.Tensor[], targets: tf.Tensor[]): Values {
    return tf.tidy(() => {
      const means = this.losses(
        outputs,
        targets,
        outputs.map(() => null),
      ).map((loss) => tf.mean(loss));
      return this.values(
        means.reduce((sum, mean) => tf.add(sum, mean)),
        means,
        outputs,
        targets,
      );
    });
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

  private losses(
    outputs: tf.Tensor[],
    targets: tf.Tensor[],
    weights: Array<tf.Tensor | null>,
  ): tf.Tensor[] {
    return this.lossFunctions.map((lossFunction, i) => {
      const loss = lossFunction(targets[i], outputs[i]);
      const weight = weights[i];
      return weight ? tf.mul(loss, weight) : loss;
    });
  }

  private values(
    total: tf.Tensor,
    outputLosses: tf.Tensor[],
    outputs: tf.Tensor[],
    targets: tf.Tensor[],
  ): Values {
    const metrics = this.compiled.metricsTensors.map(([metric, output], i) => {
      // With several outputs tfjs lists each output's loss before the metrics.
      if (outputs.length > 1 && i < outputs.length) return outputLosses[i].dataSync()[0];
      const value = tf.tidy(() => tf.mean(metric(targets[output], outputs[output])));
      const number = value.dataSync()[0];
      value.dispose();
      return number;
    });
    return [total.dataSync()[0], ...metrics];
  }
}
