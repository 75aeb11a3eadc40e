/**
 * The parity harness: one training run held to another, as DESIGN.md's equality says it. Every
 * strategy is compared through it with `train`, and `train` itself with tfjs's own `model.fit`.
 */
import {expect} from 'vitest';
import * as tf from '@tensorflow/tfjs';
import '#lib/devices/register.js';
import type {ShapedArray} from '#lib/base/arrays.js';
import type {TrainOptions, TrainParallelOptions} from '#lib/config/options.js';
import type {TrainResult} from '#lib/run/result.js';
import {train} from '#lib/run/train.js';
import {trainParallelOver} from '#lib/trainParallel.js';
import type {Transport} from '#lib/run/resolveRun.js';

export interface ParityCase {
  name: string;
  /** A fresh model with the same initial weights at each call, compiled with this optimizer. */
  model(optimizer: tf.Optimizer): tf.LayersModel;
  data: {xs: ShapedArray[]; ys: ShapedArray[]};
  batchSize: number;
  /** Of both sides; fit has no sampleWeight. */
  options?: Pick<TrainOptions, 'classWeight' | 'validationSplit'>;
}

/** The case on its first `samples` samples, without validation. */
export function head(one: ParityCase, samples: number): ParityCase {
  const cut = (arrays: ParityCase['data']['xs']) =>
    arrays.map(({values, shape, scale}) => ({
      values: values.slice(0, (values.length / shape[0]) * samples),
      shape: [samples, ...shape.slice(1)],
      scale,
    }));
  return {
    ...one,
    options: {...one.options, validationSplit: 0},
    data: {xs: cut(one.data.xs), ys: cut(one.data.ys)},
  };
}

/** The samples of a step, of every case. */
export const BATCH = 8;
/** 7 steps, the last of 5 samples: a whole run of 20 shows more of an optimizer alone. */
export const FEW = 7 * BATCH - 3;

/** The first 7 steps of a case; all 20 where it validates, and of the whole product. */
export const shorter = (one: ParityCase): ParityCase =>
  process.env.MANY_HANDS_FULL || one.options?.validationSplit ? one : head(one, FEW);

/** Everything that equality looks at. */
export interface Observed {
  losses: number[];
  logs: Record<string, number[]>;
  weights: Array<{name: string; values: Float32Array}>;
}

/**
 * Rates at which a rounding stays a rounding over 20 steps on every model. At ten times these the
 * driving net and the transformer carry one apart by up to 7e-3, `train` in micro-batches from
 * `train` as far as any strategy from it.
 */
export const OPTIMIZERS: Record<string, () => tf.Optimizer> = {
  sgd: () => tf.train.sgd(0.01),
  momentum: () => tf.train.momentum(0.002, 0.9),
  nesterov: () => tf.train.momentum(0.005, 0.9, true),
  adagrad: () => tf.train.adagrad(0.02),
  // tfjs's adadelta runs away on several of the models with a larger rate, in fit as here.
  adadelta: () => tf.train.adadelta(0.1),
  adam: () => tf.train.adam(0.001),
  adamax: () => tf.train.adamax(0.0005),
  // Over 20 steps of the driving net it carries one rounding to 3e-3 of the loss: `train` on one
  // device, from weights changed by 6e-8 of their size, ends as far from itself as 4 ranks do.
  // Not centered: tfjs subtracts epsilon under that root, and its own fit yields NaN at the second
  // step.
  rmsprop: () => tf.train.rmsprop(0.0005),
};

/** Relative to a weight tensor's largest value, after 20 steps. */
export const weightTolerance = (optimizer: string) =>
  ['sgd', 'momentum', 'nesterov'].includes(optimizer) ? 1e-5 : 1e-4;

function tensorOf({values, shape, scale = 1}: ShapedArray): tf.Tensor {
  if (values instanceof Int32Array) return tf.tensor(values, shape, 'int32');
  // By the engine: a worker's products have the same bits.
  return tf.tidy(() => tf.mul(tf.tensor(Float32Array.from(values), shape), scale));
}

function weightsOf(model: tf.LayersModel): Observed['weights'] {
  const weights = (model as unknown as {weights: Array<{originalName: string; read(): tf.Tensor}>})
    .weights;
  return weights.map((weight) => ({
    name: weight.originalName,
    values: Float32Array.from(weight.read().dataSync()),
  }));
}

const one = <T>(list: T[]): T | T[] => (list.length === 1 ? list[0] : list);

export async function runFit(
  parityCase: ParityCase,
  model: tf.LayersModel,
  epochs: number,
): Promise<Observed> {
  const xs = parityCase.data.xs.map(tensorOf);
  // tfjs's sparse losses want class numbers as floats.
  const ys = parityCase.data.ys.map((array) => tf.tidy(() => tensorOf(array).toFloat()));
  const losses: number[] = [];
  const history = await model.fit(one(xs), one(ys), {
    ...(parityCase.options as tf.ModelFitArgs),
    batchSize: parityCase.batchSize,
    epochs,
    shuffle: false,
    verbose: 0,
    yieldEvery: 'never',
    callbacks: {onBatchEnd: async (_, logs) => void losses.push(logs!.loss)},
  });
  tf.dispose([xs, ys]);
  return {losses, logs: history.history as Record<string, number[]>, weights: weightsOf(model)};
}

export type Run = Observed & {result: TrainResult};

export async function runTrain(
  parityCase: ParityCase,
  model: tf.LayersModel,
  epochs: number,
  options: TrainOptions = {},
): Promise<Run> {
  const result = await train(model, parityCase.data, {
    ...parityCase.options,
    batchSize: parityCase.batchSize,
    epochs,
    shuffle: false,
    verbose: 0,
    seed: 1,
    threads: 1,
    ...options,
  });
  return observe(model, result);
}

const references = new Map<string, Promise<Run>>();
const models = new Map<ParityCase['model'], number>();

/** Tells two cases apart by their model, their data, and what they ask of a run. */
function keyOf({model, data, batchSize, options}: ParityCase): unknown[] {
  if (!models.has(model)) models.set(model, models.size);
  const arrays = [...data.xs, ...data.ys].map(({values, shape, scale}) => [
    shape,
    scale,
    // Weighed by place, so that other values hardly have the same sum.
    Array.from(values).reduce((sum, value, i) => sum + value * (1 + (i % 97)), 0),
  ]);
  return [models.get(model), arrays, batchSize, options];
}

/**
 * One run of `train` from the case's initial weights, which others are held to. It is trained once
 * and shared by all files of this process.
 */
export function referenceRun(
  parityCase: ParityCase,
  optimizer: () => tf.Optimizer,
  options: TrainOptions = {},
  epochs = 1,
): Promise<Run> {
  const own = optimizer();
  const key = JSON.stringify([
    keyOf(parityCase),
    [own.getClassName(), own.getConfig()],
    options,
    epochs,
  ]);
  if (!references.has(key))
    references.set(key, runTrain(parityCase, parityCase.model(own), epochs, options));
  return references.get(key)!;
}

/**
 * All ranks in one process by default: the arithmetic is the same over every transport, and
 * `transport.test.ts` shows that for each strategy.
 */
export async function runParallel(
  parityCase: ParityCase,
  model: tf.LayersModel,
  epochs: number,
  options: TrainParallelOptions = {},
  transport: Transport = 'inProcess',
): Promise<Run> {
  const result = await trainParallelOver(transport, model, parityCase.data, {
    ...parityCase.options,
    batchSize: parityCase.batchSize,
    epochs,
    shuffle: false,
    verbose: 0,
    seed: 1,
    threads: 1,
    strategy: 'dataParallel',
    ...options,
  });
  const together = transport === 'inProcess' && result.devices.length > 1;
  const turns = /all ranks take turns in one process/;
  if (together) expect(result.plan.reason).toMatch(turns);
  else expect(result.plan.reason).not.toMatch(turns);
  return observe(model, result);
}

function observe(model: tf.LayersModel, result: TrainResult): Run {
  return {
    losses: result.record.steps.map((step) => step.loss),
    logs: result.history.history as Record<string, number[]>,
    weights: weightsOf(model),
    result,
  };
}

const largest = (values: Iterable<number>) => {
  let most = 0;
  for (const value of values) most = Math.max(most, Math.abs(value));
  return most;
};

/** The difference of two lists of numbers, at most. */
function apart(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  let most = 0;
  for (let i = 0; i < a.length; i++) most = Math.max(most, Math.abs(a[i] - b[i]));
  return most;
}

/**
 * Each step's loss within 1e-5, the epochs' logs too, and every weight tensor within `tolerance` of
 * its largest value.
 */
export function expectSameRun(actual: Observed, reference: Observed, tolerance: number): void {
  expect(apart(actual.losses, reference.losses), 'loss of a step').toBeLessThanOrEqual(
    1e-5 * Math.max(1, largest(reference.losses)),
  );
  expect(Object.keys(actual.logs).sort()).toEqual(Object.keys(reference.logs).sort());
  for (const [name, values] of Object.entries(reference.logs)) {
    expect(apart(actual.logs[name], values), `log '${name}'`).toBeLessThanOrEqual(
      1e-4 * Math.max(1, largest(values)),
    );
  }
  reference.weights.forEach(({name, values}, i) => {
    expect(actual.weights[i].name).toBe(name);
    expect(apart(actual.weights[i].values, values), `weights of '${name}'`).toBeLessThanOrEqual(
      tolerance * largest(values),
    );
  });
}

/**
 * Step 1's gradients, read off one step of sgd with learning rate 1, within 1e-5 of the model's
 * largest gradient.
 */
export function expectSameFirstGradients(
  actual: Observed,
  reference: Observed,
  initial: Observed['weights'],
): void {
  const gradients = ({weights}: Observed) =>
    weights.map(({values}, i) => values.map((value, j) => initial[i].values[j] - value));
  const expected = gradients(reference);
  const most = largest(expected.flatMap((values) => [largest(values)]));
  expect(most, 'the largest gradient').toBeGreaterThan(0);
  gradients(actual).forEach((values, i) => {
    expect(apart(values, expected[i]), `gradient of '${initial[i].name}'`).toBeLessThanOrEqual(
      1e-5 * most + 1e-7,
    );
  });
}

export {weightsOf};
