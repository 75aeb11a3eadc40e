/**
 * `bench -- train`: `train` compared with plain tfjs's `model.fit`, same model, data, batch
 * size and threads, in interleaved pairs.
 */
import {median, quantile} from '../../lib/base/statistics';
import {fork, type ChildProcess} from 'node:child_process';
import {once} from 'node:events';
import {join} from 'node:path';
import {onRun} from '../../lib/base/events';
import {closeWorkers} from '../../lib/workers/pool';
import {train} from '../../lib/run/train';
import {goal, printReport, report, type Row} from './report';
import {flagsOf} from './benches';
import {EPOCHS, TRAIN_CASES, type TrainCase} from './trainCases';

const flags = flagsOf('train');
const pairs = Number(flags.pairs);
const threads = Number(flags.threads);

async function ask(peer: ChildProcess, message: number | 'run'): Promise<number> {
  peer.send(message);
  const [seconds] = (await once(peer, 'message')) as [number];
  return seconds;
}

/** Seconds from the first step's beginning to the last epoch's end, as the caller sees them. */
async function run(
  one: TrainCase,
  model: ReturnType<TrainCase['model']>,
  data: ReturnType<TrainCase['data']>,
): Promise<{seconds: number; steps: number[]}> {
  let start = 0;
  let end = 0;
  const stop = onRun((event) => {
    if (event.type === 'start') start = performance.now();
    else if (event.type === 'epoch') end = performance.now();
  });
  try {
    const {record} = await train(model, data, {
      batchSize: one.batchSize,
      epochs: EPOCHS,
      threads,
      verbose: 0,
    });
    return {seconds: (end - start) / 1000, steps: record.steps.map((step) => step.seconds)};
  } finally {
    stop();
  }
}

async function measure(one: TrainCase, peer: ChildProcess): Promise<Row> {
  const data = one.data();
  const model = one.model();
  await ask(peer, TRAIN_CASES.indexOf(one));
  const ours: number[] = [];
  const fits: number[] = [];
  const steps: number[] = [];
  for (let pair = -1; pair < pairs; pair++) {
    const fit = await ask(peer, 'run');
    const mine = await run(one, model, data);
    // The first pair warms both up.
    if (pair < 0) continue;
    fits.push(fit);
    ours.push(mine.seconds);
    steps.push(...mine.steps);
  }
  const samples = EPOCHS * data.xs.shape[0];
  const ratios = ours.map((seconds, i) => fits[i] / seconds);
  process.stderr.write(
    `${one.name}: ratio ${median(ratios).toFixed(3)} (${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)})\n`,
  );
  return {
    system: 'many-hands',
    model: one.name,
    case: `batch ${one.batchSize}, ${EPOCHS * one.steps} steps`,
    workers: 1,
    threads,
    samplesPerSecond: samples / median(ours),
    p50Seconds: median(steps),
    p95Seconds: quantile(steps, 0.95),
    fitSamplesPerSecond: samples / median(fits),
    ratio: median(ratios),
    ratioLeast: Math.min(...ratios),
    ratioMost: Math.max(...ratios),
  };
}

async function main(): Promise<void> {
  const environment = {
    ...process.env,
    TF_NUM_INTRAOP_THREADS: String(threads),
    TF_NUM_INTEROP_THREADS: '1',
    OMP_NUM_THREADS: String(threads),
    TF_CPP_MIN_LOG_LEVEL: '2',
    CUDA_VISIBLE_DEVICES: '-1',
  };
  const peer = fork(join(__dirname, 'peers', 'plainFit.js'), [], {
    env: environment,
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  const rows: Row[] = [];
  try {
    for (const one of TRAIN_CASES) rows.push(await measure(one, peer));
  } finally {
    peer.disconnect();
    await closeWorkers();
  }
  const ratio = (row: Row) => row.ratio as number;
  const goals = [
    goal('ratio to fit on the MLP', ratio(rows[0]), '>=', 1.15),
    goal('least ratio to fit of all models', Math.min(...rows.map(ratio)), '>=', 1),
  ];
  printReport(report('train', process.argv.slice(2), rows, goals), {json: flags.json});
}

void main();
