/**
 * `bench -- tensor`: tensor parallelism on two one-thread workers compared with one
 * one-thread device, transformers of growing width and a pair of wide Dense layers: the speed-up,
 * and the all-reduces of a step. Each round runs every system once, in turn.
 */
import {median, quantile} from '../../lib/base/statistics';
import * as tf from '@tensorflow/tfjs';
import type {DataArrays} from '../../lib/base/arrays';
import {Random} from '../../lib/base/random';
import {textCorpus} from '../../lib/data/text';
import {transformer} from '../../lib/models';
import type {TrainResult} from '../../lib/run/result';
import {train} from '../../lib/run/train';
import {trainParallel} from '../../lib/trainParallel';
import {closeWorkers} from '../../lib/workers/pool';
import {inTurn, printReport, report, type Row} from './report';
import {flagsOf} from './benches';

const flags = flagsOf('tensor');
const RANKS = 2;
const STEPS = 6;
/** Of a run: its first ones load the engine. */
const FIRST = 2;

interface Case {
  name: string;
  batchSize: number;
  model(): tf.LayersModel;
  data(): DataArrays;
}

function pairOf(width: number): tf.LayersModel {
  const model = tf.sequential({name: 'pair'});
  model.add(
    tf.layers.dense({
      name: 'up',
      units: 4 * width,
      activation: 'relu',
      inputShape: [width],
      kernelInitializer: tf.initializers.heNormal({seed: 1}),
    }),
  );
  model.add(
    tf.layers.dense({
      name: 'down',
      units: width,
      kernelInitializer: tf.initializers.heNormal({seed: 2}),
    }),
  );
  model.compile({optimizer: 'sgd', loss: 'meanSquaredError'});
  return model;
}

function uniform(seed: number, samples: number, width: number): DataArrays['xs'] {
  const random = new Random(seed);
  return {
    values: Float32Array.from({length: samples * width}, () => random.uniform()),
    shape: [samples, width],
  };
}

const text = (hidden: number): Case => ({
  name: `transformer, hidden ${hidden}`,
  batchSize: 16,
  model: () => transformer({layers: 2, hidden, heads: 4, sequence: 64, seed: 1}),
  data: () => textCorpus({sequence: 64, samples: 16 * STEPS, seed: 1}),
});
const CASES: Case[] = [
  text(64),
  text(128),
  text(256),
  {
    name: 'Dense pair, width 1024',
    batchSize: 256,
    model: () => pairOf(1024),
    data: () => ({xs: uniform(1, 256 * STEPS, 1024), ys: uniform(2, 256 * STEPS, 1024)}),
  },
];

const secondsOf = ({record}: TrainResult) => record.steps.slice(FIRST).map(({seconds}) => seconds);
const isTalk = ({rank, step, kind}: TrainResult['trace']['spans'][number]) =>
  rank === 0 && step >= FIRST && kind === 'communication';

async function measure({name, batchSize, model, data}: Case): Promise<Row[]> {
  const samples = data();
  const options = {batchSize, threads: 1, seed: 1, shuffle: false, verbose: 0 as const};
  const systems = [
    () => train(model(), samples, {...options, devices: ['cpu']}),
    () =>
      trainParallel(model(), samples, {
        ...options,
        devices: Array.from({length: RANKS}, () => 'cpu'),
        strategy: 'tensorParallel' as const,
      }),
  ];
  const runs = await inTurn(Number(flags.rounds), systems, (run) => run());
  const seconds = runs.map((rounds) => rounds.map((result) => median(secondsOf(result))));
  const rows = runs.map((rounds, i): Row => {
    const steps = rounds.flatMap(secondsOf);
    const speedups = seconds[0].map((one, round) => one / seconds[i][round]);
    const talk = rounds.map(
      ({trace: {spans}}, round) =>
        spans.filter(isTalk).reduce((sum, {wallSeconds}) => sum + wallSeconds, 0) /
        (STEPS - FIRST) /
        seconds[i][round],
    );
    return {
      system: 'many-hands',
      model: name,
      case: `batch ${batchSize}`,
      workers: i === 0 ? 1 : RANKS,
      threads: 1,
      samplesPerSecond: batchSize / median(seconds[i]),
      p50Seconds: median(steps),
      p95Seconds: quantile(steps, 0.95),
      speedup: median(speedups),
      speedupLeast: Math.min(...speedups),
      speedupMost: Math.max(...speedups),
      allReduces:
        i === 0
          ? 0
          : rounds[0].trace.spans.filter(
              (span) => isTalk(span) && span.step === FIRST && span.name.startsWith('all-reduce'),
            ).length,
      talkShare: i === 0 ? 0 : median(talk),
      peakBytes: Math.max(...rounds[0].memory.map(({peakBytes}) => peakBytes)),
    };
  });
  process.stderr.write(`${name}: ${Number(rows[1].speedup).toFixed(2)} times one device\n`);
  return rows;
}

async function main(): Promise<void> {
  const rows: Row[] = [];
  try {
    for (const one of CASES) rows.push(...(await measure(one)));
  } finally {
    await closeWorkers();
  }
  printReport(report('tensor', process.argv.slice(2), rows, []), {json: flags.json});
}

void main();
