/**
 * The losses and metrics that `compile` was given as functions, and made-up outputs to try them on.
 */
import * as tf from '@tensorflow/tfjs';
import {ManyHandsError, messageOf, shown} from '../base/errors';
import type {ModelDescription} from '../model/description';
import {
  compiledLoss,
  compiledModel,
  type CompiledModel,
  type LossFunction,
} from '../model/tfjsInternals';
import {isOfTfjs, metricsOf} from '../step/batchNumbers';
import {lossName, outputShapeFor} from '../step/losses';
import {isSumAndCount, resultOf, type LossResult} from '../step/sumAndCount';

/** A loss or metric that `compile` was given as a function. */
export interface GivenFunction {
  name: string;
  fn: LossFunction;
  output: number;
  isLoss: boolean;
  /** Whether tfjs says how it adds up. */
  isOfTfjs: boolean;
}

/** The name under which a module exports a loss or metric; undefined for tfjs's own. */
const exportOf = (reference: unknown) => (reference as {export?: string} | null)?.export;

/** A reference is an object, as are losses and metrics by the names of outputs. */
const isReference = (value: unknown) =>
  value !== null && typeof value === 'object' && ('tfjs' in value || 'module' in value);

export function givenFunctions(
  compiled: CompiledModel,
  {loss, metrics: references}: ModelDescription,
): GivenFunction[] {
  const {outputNames} = compiled;
  const described = {outputNames, loss: isReference(loss) ? outputNames.map(() => loss) : loss};
  const exported = metricsOf({
    ...compiled,
    metrics: isReference(references) ? [references] : references,
  });
  const losses = compiled.lossFunctions.map((fn, output) => ({
    name: lossName(compiled, output, exportOf(compiledLoss(described, output))),
    fn,
    output,
    isLoss: true,
    given: compiledLoss(compiled, output),
  }));
  const metrics = metricsOf(compiled).map(({given, metric, output}, i) => ({
    name: `the metric '${exportOf(exported[i].given) ?? metric.name}'`,
    fn: metric,
    output,
    isLoss: false,
    given,
  }));
  return [...losses, ...metrics]
    .filter(({given}) => typeof given === 'function')
    .map(({given, ...named}) => ({...named, isOfTfjs: isOfTfjs(given)}));
}

/** Throws BAD_MODEL if the model was compiled without a loss for one of its outputs. */
export function requireLosses(model: tf.LayersModel): void {
  const {lossFunctions, outputNames} = compiledModel(model);
  const missing = outputNames.find((_, i) => typeof lossFunctions[i] !== 'function');
  if (missing === undefined) return;
  throw new ManyHandsError(
    'BAD_MODEL',
    `the model was compiled without a loss for its output '${missing}', so fit cannot train it either: give one for each output, or make a model without that output.`,
  );
}

/** Calls a function. Throws BAD_MODEL if it fails, or returns neither a tensor nor a sum and a count. */
export function call({name, fn}: GivenFunction, target: tf.Tensor, output: tf.Tensor): LossResult {
  let result: LossResult;
  try {
    result = resultOf(fn, target, output);
  } catch (error) {
    throw new ManyHandsError(
      'BAD_MODEL',
      `${name} could not be tried on targets [${target.shape}] and outputs [${output.shape}]: ${messageOf(error)}`,
      {cause: error},
    );
  }
  if (isSumAndCount(result) || result instanceof tf.Tensor) return result;
  throw new ManyHandsError(
    'BAD_MODEL',
    `${name} must return a tensor, or {sum, count}; it returns ${shown(result)}.`,
  );
}

/** Made-up outputs: numbers between 0 and 1, zeros and ones, and numbers of both signs. */
export function madeUpOutputs(open: ReadonlyArray<number | null>, target: tf.Tensor): tf.Tensor[] {
  const shape = outputShapeFor(open, target);
  const indices = tf.range(0, tf.util.sizeFromShape(shape));
  const wave = tf.reshape(tf.sin(tf.mul(indices, 1.7)), shape);
  return [
    tf.add(tf.mul(wave, 0.45), 0.5),
    tf.cast(tf.greater(wave, 0), 'float32'),
    tf.mul(wave, 2),
  ];
}
