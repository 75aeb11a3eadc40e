/** The ways to divide a batch that losses, metrics and weights are tried on. */
import {createRequire} from 'node:module';
import {join} from 'node:path';
import type * as tf from '@tensorflow/tfjs';
import type {TrainOptions, TrainParallelOptions} from '#lib/config/options.js';
import type {SumAndCountFunction} from '#lib/step/sumAndCount.js';
import {
  runFit,
  runParallel,
  runTrain,
  type Observed,
  type ParityCase,
  type Run,
} from '../parity/harness';

export const fixture = join(__dirname, 'fixtures', 'losses.cjs');

type Loss = (target: tf.Tensor, output: tf.Tensor) => tf.Tensor;
/** The fixture's exports. */
export const exported = createRequire(__filename)(fixture) as Record<string, Loss> & {
  validParts: SumAndCountFunction;
  countsOutputs: SumAndCountFunction;
};

/** Entries of `modules` for exports of the fixture. */
export const modules = (...names: string[]) =>
  names.map((name) => ({module: fixture, export: name}));

/** `devices` 1 is `train`. Batches of 5 leave ranks without samples of some micro-batches. */
export const DIVISIONS: Array<[string, number, TrainParallelOptions]> = [
  ['train in 3 micro-batches', 1, {microBatches: 3}],
  ['dataParallel over 2, 3 micro-batches', 2, {microBatches: 3}],
  ['dataParallel over 3', 3, {}],
  ['zero1 over 2, 2 micro-batches', 2, {strategy: 'zero1', microBatches: 2}],
  ['fsdp over 3, 2 micro-batches', 3, {strategy: 'fsdp', microBatches: 2}],
  ['tensorParallel over 2, 2 micro-batches', 2, {strategy: 'tensorParallel', microBatches: 2}],
  ['pipelineParallel over 3', 3, {strategy: 'pipelineParallel', microBatches: 3}],
  [
    'data x pipeline, fsdp',
    4,
    {strategy: {mesh: {data: 2, pipeline: 2}, zero: 3, microBatches: 3}},
  ],
  ['data x tensor', 4, {strategy: {mesh: {data: 2, tensor: 2}, microBatches: 2}}],
];

const named = (names: string[]) =>
  DIVISIONS.filter(([name]) => names.some((wanted) => name.startsWith(wanted)));

/** One of each kind, for what hardly depends on the strategy. */
export const KINDS = named(['train', 'dataParallel over 2', 'tensorParallel', 'pipelineParallel']);

/** Those that differ least: one rank, and several with a share each. */
export const SOME = KINDS.slice(0, 2);

/** Trains a fresh model of the case in one of these ways. */
export function runDivided(
  parityCase: ParityCase,
  optimizer: () => tf.Optimizer,
  [, devices, division]: (typeof DIVISIONS)[number],
  options: TrainOptions = {},
  epochs = 1,
): Promise<Run> {
  const model = parityCase.model(optimizer());
  const {silenceTimeoutMs: _, devices: __, ...shared} = options;
  return devices === 1
    ? runTrain(parityCase, model, epochs, {...options, microBatches: division.microBatches})
    : runParallel(parityCase, model, epochs, {...shared, devices, ...division});
}

/** A fit that several tests are held to; it runs once. */
export function fitOnce(
  parityCase: ParityCase,
  optimizer: () => tf.Optimizer,
  epochs: number,
): () => Promise<Observed> {
  let run: Promise<Observed> | undefined;
  return () => (run ??= runFit(parityCase, parityCase.model(optimizer()), epochs));
}
