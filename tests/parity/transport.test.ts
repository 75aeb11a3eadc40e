/**
 * Each strategy over both transports: ranks in processes of their own, and all ranks in one
 * process. The other files of this folder take the whole product of cases in one process.
 */
import {describe, expect, it} from 'vitest';
import * as tf from '@tensorflow/tfjs';
import '#lib/devices/register.js';
import {transformer} from '#lib/models/index.js';
import {SCHEDULE_NAMES} from '#lib/pipelineParallel/namedSchedules.js';
import type {TrainParallelOptions} from '#lib/config/options.js';
import {caseOf, COURSE_CASES, PENALTIES} from './cases';
import {
  BATCH,
  expectSameRun,
  FEW,
  head,
  OPTIMIZERS,
  referenceRun,
  runParallel,
  weightTolerance,
  type ParityCase,
} from './harness';

const [MLP] = COURSE_CASES;
const NORMS = caseOf('batch norm');
const TIED = caseOf('transformer with a tied');
const MASKED = caseOf('a masked embedding');
const VALIDATED = {...head(MASKED, FEW), options: MASKED.options};
const dropout: ParityCase = {
  ...head(caseOf('transformer'), FEW),
  name: 'transformer with dropout',
  model: (optimizer) =>
    transformer({
      layers: 2,
      hidden: 16,
      heads: 2,
      vocab: 20,
      sequence: 6,
      dropout: 0.2,
      seed: 1,
      optimizer,
    }),
};
const few = (one: ParityCase) => head(one, FEW);
/** The last batch leaves some rank without a sample. */
const uneven = (one: ParityCase) => head(one, 3 * BATCH + 2);

type Case = [
  name: string,
  one: ParityCase,
  optimizer: string,
  devices: number,
  options: TrainParallelOptions,
];

const CASES: Case[] = [
  ['dataParallel', few(MLP), 'adam', 2, {}],
  [
    'dataParallel, small buckets, globalClipNorm',
    few(MLP),
    'sgd',
    3,
    {bucketBytes: 4, globalClipNorm: 0.2},
  ],
  ['dataParallel, batch norm, ranks without samples', uneven(NORMS), 'sgd', 4, {microBatches: 2}],
  ['dataParallel, validation', VALIDATED, 'rmsprop', 2, {}],
  ['zero1', few(caseOf('convnet')), 'momentum', 3, {strategy: 'zero1'}],
  ['zero2, micro-batches', few(TIED), 'adam', 2, {strategy: 'zero2', microBatches: 2}],
  ['fsdp, recompute, dropout', dropout, 'adam', 3, {strategy: 'fsdp', recompute: 'block'}],
  ['fsdp, batch norm, ranks without samples', uneven(NORMS), 'sgd', 4, {strategy: 'fsdp'}],
  ...SCHEDULE_NAMES.map(
    (schedule, i): Case => [
      `pipelineParallel, ${schedule}`,
      few(schedule === 'interleaved-1f1b' || i % 2 === 0 ? caseOf('transformer') : MLP),
      'adam',
      2,
      {strategy: {kind: 'pipelineParallel', schedule, microBatches: 2}},
    ],
  ),
  [
    'pipelineParallel, a tied weight, globalClipNorm',
    few(TIED),
    'sgd',
    3,
    {strategy: {kind: 'pipelineParallel', microBatches: 4}, globalClipNorm: 0.2},
  ],
  ['tensorParallel, uneven parts', few(MLP), 'adagrad', 3, {strategy: 'tensorParallel'}],
  ['tensorParallel, penalties', PENALTIES, 'sgd', 2, {strategy: 'tensorParallel'}],
  [
    'tensorParallel, sequenceParallel, dropout',
    dropout,
    'adam',
    2,
    {strategy: {kind: 'tensorParallel', sequenceParallel: true}},
  ],
  [
    'data x tensor, zero 2',
    few(TIED),
    'momentum',
    4,
    {strategy: {mesh: {data: 2, tensor: 2}, zero: 2, microBatches: 2}},
  ],
  [
    'data x pipeline, zero 3',
    few(TIED),
    'adam',
    4,
    {strategy: {mesh: {data: 2, pipeline: 2}, zero: 3, microBatches: 4}, globalClipNorm: 0.3},
  ],
  [
    'tensor x pipeline',
    dropout,
    'adam',
    4,
    {strategy: {mesh: {tensor: 2, pipeline: 2}, microBatches: 4}},
  ],
  [
    'all three axes',
    uneven(TIED),
    'adam',
    8,
    {
      strategy: {
        mesh: {data: 2, tensor: 2, pipeline: 2},
        zero: 1,
        microBatches: 2,
        sequenceParallel: true,
      },
    },
  ],
];

/** What one device does of these options. */
function alone({strategy, microBatches, globalClipNorm}: TrainParallelOptions) {
  const own = typeof strategy === 'object' ? (strategy as {microBatches?: number}) : {};
  return {microBatches: own.microBatches ?? microBatches ?? 1, globalClipNorm};
}

describe('equals train', () => {
  for (const transport of ['processes', 'inProcess'] as const) {
    it.each(CASES)(`${transport}: %s`, async (_, one, optimizer, devices, options) => {
      const reference = await referenceRun(one, OPTIMIZERS[optimizer], alone(options));
      const model = one.model(OPTIMIZERS[optimizer]());
      const actual = await runParallel(one, model, 1, {devices, ...options}, transport);
      expectSameRun(actual, reference, weightTolerance(optimizer));
      expect(actual.result.devices).toHaveLength(devices);
    });
  }
});

describe('is repeatable to the bit', () => {
  const REPEATED: Array<[string, ParityCase, number, TrainParallelOptions]> = [
    ['dataParallel', NORMS, 3, {shuffle: true, seed: 3}],
    ['fsdp', few(caseOf('transformer')), 2, {strategy: 'fsdp', shuffle: true, seed: 3}],
    ['pipelineParallel', few(MLP), 2, {strategy: 'pipelineParallel', microBatches: 4}],
    ['tensorParallel', few(MLP), 2, {strategy: 'tensorParallel'}],
    ['a mesh', few(TIED), 4, {strategy: {mesh: {data: 2, pipeline: 2}, microBatches: 2}}],
  ];
  it.each(REPEATED)('processes: %s', async (_, one, devices, options) => {
    const run = () =>
      runParallel(one, one.model(tf.train.adam(0.01)), 1, {devices, ...options}, 'processes');
    const [first, second] = [await run(), await run()];
    expect(second.losses).toEqual(first.losses);
    expect(second.weights).toEqual(first.weights);
  });
});
