/**
 * `bench -- planner`: thirty models and batch sizes, planned afresh for two one-thread
 * workers, every third for four too; each plan's first three rows and a deliberate loser are run in
 * turn, and predictions are compared with measurements.
 */
import {mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import * as tf from '@tensorflow/tfjs';
import {physicalCores} from '../../lib/base/cgroup';
import {drivingFrames} from '../../lib/data/driving';
import {mnist} from '../../lib/data/mnist';
import {sampleRange, type Samples} from '../../lib/data/samples';
import {textCorpus} from '../../lib/data/text';
import {convnet, drivingNet, mlp, transformer} from '../../lib/models';
import {plan} from '../../lib/planner/plan';
import {validatePlan, type PlanValidation} from '../../lib/validatePlan';
import {closeWorkers} from '../../lib/workers/pool';
import {flagsOf} from './benches';
import {goal, printReport, report, type Row} from './report';

interface Case {
  model: string;
  batchSize: number;
  make(): tf.LayersModel;
  data(samples: number): Samples;
}

const digits = (flat: boolean) => (samples: number) => mnist({train: samples, test: 0, flat}).train;
const text = (sequence: number) => (samples: number) => textCorpus({sequence, samples, seed: 1});
const road = (samples: number) =>
  sampleRange(drivingFrames({cars: 8, framesPerCar: Math.ceil(samples / 8), seed: 1}), 0, samples);

const of = (
  model: string,
  batches: number[],
  make: () => tf.LayersModel,
  data: Case['data'],
): Case[] => batches.map((batchSize) => ({model, batchSize, make, data}));

const CASES: Case[] = [
  ...of('mlp 784-64-10, sgd', [32, 256], () => mlp({units: [64], seed: 1}), digits(true)),
  ...of(
    'mlp 784-256-256-10, sgd',
    [32, 128, 512],
    () => mlp({units: [256, 256], seed: 1}),
    digits(true),
  ),
  ...of(
    'mlp 784-256-256-10, adam',
    [32, 128, 512],
    () => mlp({units: [256, 256], seed: 1, optimizer: 'adam'}),
    digits(true),
  ),
  ...of('mlp 784-1024-1024-10, sgd', [64, 256], () => mlp({seed: 1}), digits(true)),
  ...of(
    'mlp 784-1024-1024-10, adam',
    [64, 256],
    () => mlp({seed: 1, optimizer: 'adam'}),
    digits(true),
  ),
  ...of(
    'mlp 784-2048-2048-10, sgd',
    [32, 128],
    () => mlp({units: [2048, 2048], seed: 1}),
    digits(true),
  ),
  ...of(
    'mlp of 8 layers of 512, momentum',
    [64, 256],
    () =>
      mlp({
        units: Array.from({length: 8}, () => 512),
        seed: 1,
        optimizer: tf.train.momentum(0.01, 0.9),
      }),
    digits(true),
  ),
  ...of(
    'mlp of 16 layers of 128, adam',
    [64, 256],
    () => mlp({units: Array.from({length: 16}, () => 128), seed: 1, optimizer: 'adam'}),
    digits(true),
  ),
  ...of('convnet', [16, 64], () => convnet({seed: 1}), digits(false)),
  ...of('driving net', [16, 64], () => drivingNet({seed: 1}), road),
  ...of(
    'transformer of 2 blocks, hidden 64, 32 tokens',
    [8, 32],
    () => transformer({layers: 2, hidden: 64, sequence: 32, seed: 1}),
    text(32),
  ),
  ...of(
    'transformer of 2 blocks, hidden 128, 64 tokens',
    [8, 32],
    () => transformer({layers: 2, hidden: 128, sequence: 64, seed: 1}),
    text(64),
  ),
  ...of(
    'transformer of 4 blocks, hidden 128, 32 tokens',
    [8, 32],
    () => transformer({layers: 4, hidden: 128, sequence: 32, seed: 1}),
    text(32),
  ),
  ...of(
    'transformer of 2 blocks, hidden 256, 32 tokens',
    [8, 16],
    () => transformer({layers: 2, hidden: 256, sequence: 32, seed: 1}),
    text(32),
  ),
];

const flags = flagsOf('planner');
const EVERY = 3;

function rowsOf(
  {model, batchSize}: Case,
  workers: number,
  {rows, regret, right, rankCorrelation}: PlanValidation,
): Row[] {
  return rows.map(
    (
      {name, row, predictedSeconds, measuredSeconds, predictedBytes, measuredBytes, interval},
      place,
    ) => ({
      system: 'many-hands',
      case: `${model}, batch ${batchSize}, ${workers} workers`,
      model,
      batchSize,
      strategy: name,
      workers: row.strategy.devices,
      threads: 1,
      predictedSeconds,
      measuredSeconds,
      predictedBytes,
      measuredBytes,
      chosen: Number(place === 0),
      lossToBest: place === 0 ? regret : null,
      interval: `${interval[0].toFixed(3)} to ${interval[1].toFixed(3)}`,
      right: place === 0 ? Number(right) : null,
      rankCorrelation: place === 0 ? rankCorrelation : null,
    }),
  );
}

const near = (row: Row, name: 'Seconds' | 'Bytes', within: number) =>
  Math.abs((row[`predicted${name}`] as number) / (row[`measured${name}`] as number) - 1) <= within;
const share = (rows: Row[], holds: (row: Row) => boolean) =>
  rows.length > 0 ? rows.filter(holds).length / rows.length : null;

async function main(): Promise<void> {
  // What other runs have kept is not this run's measurement.
  const cache = mkdtempSync(join(tmpdir(), 'planner-'));
  process.env.XDG_CACHE_HOME = cache;
  const rows: Row[] = [];
  const wanted = CASES.filter(({model}) => !flags.cases || new RegExp(flags.cases).test(model));
  try {
    for (const [i, one] of wanted.entries()) {
      for (const workers of i % EVERY === 0 ? [2, 4] : [2]) {
        const devices = Array.from({length: workers}, () => 'cpu');
        const made = one.make();
        const planned = await plan(made, {batchSize: one.batchSize, devices});
        const proved = await validatePlan(made, one.data(8 * one.batchSize), planned, {
          seconds: Number(flags.seconds),
          devices,
        });
        made.dispose();
        const found = rowsOf(one, workers, proved);
        rows.push(...found);
        // Of a run that is stopped, the rows so far are on stderr.
        process.stderr.write(
          `${found[0].case}: ${found.map((row) => `${row.strategy} ${((row.predictedSeconds as number) / (row.measuredSeconds as number)).toFixed(2)}`).join(', ')} of the measured time; regret ${proved.regret.toFixed(3)}${proved.right ? '' : ', wrong'}\n`,
        );
      }
    }
  } finally {
    await closeWorkers();
    rmSync(cache, {recursive: true, force: true});
  }
  const onCores = rows.filter(({workers}) => (workers as number) <= physicalCores());
  const choices = rows.filter(({chosen}) => chosen === 1);
  printReport(
    report('planner', process.argv.slice(2), rows, [
      goal(
        'share of rows with a core a worker whose time is within 25 %',
        share(onCores, (row) => near(row, 'Seconds', 0.25)),
        '>=',
        0.8,
      ),
      goal(
        'share of cases whose choice is right',
        share(choices, ({right}) => right === 1),
        '>=',
        0.9,
      ),
      goal(
        'share of rows whose memory is within 10 %',
        share(rows, (row) => near(row, 'Bytes', 0.1)),
        '>=',
        1,
      ),
    ]),
    {json: flags.json},
  );
}

void main();
