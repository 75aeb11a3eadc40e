/**
 * One training with callbacks, by fit, by train and by every strategy, and what came of it.
 */
import {expect} from 'vitest';
import * as tf from '@tensorflow/tfjs';
import '#lib/devices/register.js';
import type {TrainOptions, TrainParallelOptions} from '#lib/config/options.js';
import type {Transport} from '#lib/run/resolveRun.js';
import {train} from '#lib/run/train.js';
import {trainParallelOver} from '#lib/trainParallel.js';

const BATCH = 8;
/** 3 batches, the last one smaller; a quarter of the samples is left for validation if asked. */
const SAMPLES = 20;

export interface Scenario {
  name: string;
  optimizer(): tf.Optimizer;
  callbacks(model: tf.LayersModel): TrainOptions['callbacks'];
  /** Done with the compiled model before the training. */
  prepare?(model: tf.LayersModel): void;
  options?: Pick<TrainOptions, 'validationSplit' | 'epochs'>;
}

export const STRATEGIES: Array<[name: string, devices: number, options: TrainParallelOptions]> = [
  ['dataParallel', 2, {strategy: 'dataParallel'}],
  ['dataParallel in small buckets', 3, {strategy: 'dataParallel', bucketBytes: 64}],
  ['zero1', 2, {strategy: 'zero1'}],
  ['zero2', 3, {strategy: 'zero2'}],
  ['fsdp', 2, {strategy: 'fsdp'}],
  ['fsdp', 3, {strategy: 'fsdp', microBatches: 2, recompute: ['second']}],
  ['tensorParallel', 2, {strategy: 'tensorParallel'}],
  ['pipelineParallel', 2, {strategy: {kind: 'pipelineParallel', microBatches: 2}}],
  [
    'pipelineParallel, zero-bubble',
    3,
    {strategy: {kind: 'pipelineParallel', schedule: 'zero-bubble', microBatches: 2}},
  ],
  ['data x tensor, zero 3', 4, {strategy: {mesh: {data: 2, tensor: 2}, zero: 3}}],
];

const series = (length: number, step: number) =>
  Float32Array.from({length}, (_, i) => Math.sin(step * i));

function layeredModel({optimizer, prepare, options}: Scenario): tf.LayersModel {
  const model = tf.sequential();
  const add = (name: string, units: number, seed: number, activation?: 'tanh') =>
    model.add(
      tf.layers.dense({
        name,
        units,
        activation,
        ...(seed === 1 ? {inputShape: [4]} : {}),
        kernelInitializer: tf.initializers.glorotUniform({seed}),
        kernelRegularizer:
          seed === 2 && !options?.validationSplit ? tf.regularizers.l2({l2: 0.01}) : undefined,
      }),
    );
  add('first', 6, 1, 'tanh');
  add('second', 8, 2, 'tanh');
  add('third', 6, 3, 'tanh');
  add('fourth', 2, 4);
  model.compile({optimizer: optimizer(), loss: 'meanSquaredError', metrics: ['mae']});
  prepare?.(model);
  return model;
}

const data = () => ({
  xs: {values: series(SAMPLES * 4, 0.7), shape: [SAMPLES, 4]},
  ys: {values: series(SAMPLES * 2, 1.3), shape: [SAMPLES, 2]},
});

export interface Outcome {
  history: Record<string, number[]>;
  epochs: number[];
  weights: Record<string, Float32Array>;
  iterations: number;
  /** The optimizer's own numbers, and its lists of state. */
  fields: Record<string, unknown>;
  state: Float32Array[];
}

function outcomeOf(model: tf.LayersModel, history: tf.History): Outcome {
  const optimizer = model.optimizer as unknown as Record<string, unknown> & tf.Optimizer;
  const weights = model.layers.flatMap((layer) =>
    (layer as unknown as {weights: Array<{originalName: string; read(): tf.Tensor}>}).weights.map(
      (weight): [string, Float32Array] => [
        weight.originalName,
        Float32Array.from(weight.read().dataSync()),
      ],
    ),
  );
  const state = Object.values(optimizer).filter(Array.isArray) as Array<
    Array<{variable: tf.Variable}>
  >;
  const outcome = {
    history: history.history as Record<string, number[]>,
    epochs: history.epoch,
    weights: Object.fromEntries(weights),
    iterations: optimizer.iterations,
    fields: Object.fromEntries(
      Object.entries(optimizer).filter(([, value]) => typeof value === 'number'),
    ),
    state: state.flat().map(({variable}) => Float32Array.from(variable.dataSync())),
  };
  optimizer.dispose();
  model.dispose();
  return outcome;
}

const common = ({options}: Scenario) => ({
  epochs: 2,
  batchSize: BATCH,
  shuffle: false,
  verbose: 0 as const,
  ...options,
});

export async function byFit(scenario: Scenario): Promise<Outcome> {
  const model = layeredModel(scenario);
  const {xs, ys} = data();
  const tensors = [tf.tensor(xs.values, xs.shape), tf.tensor(ys.values, ys.shape)];
  const history = await model.fit(tensors[0], tensors[1], {
    ...common(scenario),
    yieldEvery: 'never',
    callbacks: scenario.callbacks(model) as tf.ModelFitArgs['callbacks'],
  });
  tf.dispose(tensors);
  return outcomeOf(model, history);
}

export async function byTrain(scenario: Scenario, options: TrainOptions = {}): Promise<Outcome> {
  const model = layeredModel(scenario);
  const {history} = await train(model, data(), {
    ...common(scenario),
    threads: 1,
    callbacks: scenario.callbacks(model),
    ...options,
  });
  return outcomeOf(model, history);
}

export async function byStrategy(
  scenario: Scenario,
  devices: number,
  options: TrainParallelOptions,
  transport: Transport = 'inProcess',
): Promise<Outcome> {
  const model = layeredModel(scenario);
  const {history} = await trainParallelOver(transport, model, data(), {
    ...common(scenario),
    threads: 1,
    callbacks: scenario.callbacks(model),
    devices,
    ...options,
  });
  return outcomeOf(model, history);
}

function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, what: string): void {
  expect(actual.length, what).toBe(expected.length);
  const scale = Array.from(expected).reduce((most, value) => Math.max(most, Math.abs(value)), 1e-3);
  for (let i = 0; i < expected.length; i++)
    expect(Math.abs(actual[i] - expected[i]), `${what}, element ${i}`).toBeLessThan(2e-5 * scale);
}

/** The same training: history, weights, and the optimizer's settings and state. */
export function expectSame(actual: Outcome, expected: Outcome): void {
  expect(Object.keys(actual.history).sort()).toEqual(Object.keys(expected.history).sort());
  for (const [name, values] of Object.entries(expected.history))
    expectClose(actual.history[name], values, `history of ${name}`);
  expect(actual.epochs).toEqual(expected.epochs);
  expect(Object.keys(actual.weights)).toEqual(Object.keys(expected.weights));
  for (const [name, values] of Object.entries(expected.weights))
    expectClose(actual.weights[name], values, name);
  expect(actual.iterations).toBe(expected.iterations);
  expect(actual.fields).toEqual(expected.fields);
  expect(actual.state.length).toBe(expected.state.length);
  actual.state.forEach((values, i) => expectClose(values, expected.state[i], `state ${i}`));
}
