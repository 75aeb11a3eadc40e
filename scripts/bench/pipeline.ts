/**
 * `bench -- pipeline`: two stages on two one-thread workers, an MLP of 8 equal layers and the
 * transformer, every schedule, compared with one one-thread device with the same micro-batches and
 * with the whole batch; with --peers PyTorch's torch.distributed.pipelining over gloo. Each round
 * runs every system once, in turn.
 */
import {median, quantile} from '../../lib/base/statistics';
import * as tf from '@tensorflow/tfjs';
import type {DataArrays} from '../../lib/base/arrays';
import {Random} from '../../lib/base/random';
import {textCorpus} from '../../lib/data/text';
import {transformer} from '../../lib/models';
import {SCHEDULE_NAMES, type ScheduleName} from '../../lib/pipelineParallel/namedSchedules';
import {bubble} from '../../lib/report/bubble';
import type {TrainResult} from '../../lib/run/result';
import {train} from '../../lib/run/train';
import {trainParallel} from '../../lib/trainParallel';
import {closeWorkers} from '../../lib/workers/pool';
import {torchPeer, type Peer} from './peers/torchPeer';
import {goal, inTurn, printReport, report, type Row} from './report';
import {flagsOf} from './benches';

const flags = flagsOf('pipeline');
const STAGES = 2;
const WIDTH = 1024;
const SEQUENCE = 64;
/** Of a run: its first ones load the engine. */
const STEPS = 6;
const FIRST = 2;

interface Case {
  name: 'mlp' | 'transformer';
  batchSize: number;
  model(): tf.LayersModel;
  data(): DataArrays;
}

function eightLayers(): tf.LayersModel {
  const model = tf.sequential({name: 'eight'});
  for (let i = 0; i < 8; i++)
    model.add(
      tf.layers.dense({
        name: `dense_${i + 1}`,
        units: WIDTH,
        activation: 'relu',
        ...(i === 0 ? {inputShape: [WIDTH]} : {}),
        kernelInitializer: tf.initializers.heNormal({seed: i + 1}),
      }),
    );
  model.compile({optimizer: 'sgd', loss: 'meanSquaredError'});
  return model;
}

function uniform(seed: number, samples: number): DataArrays['xs'] {
  const random = new Random(seed);
  return {
    values: Float32Array.from({length: samples * WIDTH}, () => random.uniform()),
    shape: [samples, WIDTH],
  };
}

const CASES: Case[] = [
  {
    name: 'mlp',
    batchSize: 512,
    model: eightLayers,
    data: () => ({xs: uniform(1, 512 * STEPS), ys: uniform(2, 512 * STEPS)}),
  },
  {
    name: 'transformer',
    batchSize: 64,
    model: () => transformer({layers: 4, hidden: 128, heads: 4, sequence: SEQUENCE, seed: 1}),
    data: () => textCorpus({sequence: SEQUENCE, samples: 64 * STEPS, seed: 1}),
  },
];

const settled = ({record}: TrainResult) =>
  median(record.steps.slice(FIRST).map(({seconds}) => seconds));
const ratios = (a: number[], b: number[]) => a.map((value, round) => value / b[round]);

interface System {
  system: string;
  schedule: string;
  workers: number;
  run(): Promise<{seconds: number; result: TrainResult | null}>;
}

function ours(one: Case, data: DataArrays, microBatches: number): System[] {
  const options = {
    batchSize: one.batchSize,
    threads: 1,
    shuffle: false,
    seed: 1,
    verbose: 0 as const,
  };
  const alone = (schedule: string, parts: number): System => ({
    system: 'many-hands',
    schedule,
    workers: 1,
    run: async () => {
      const result = await train(one.model(), data, {
        ...options,
        devices: ['cpu'],
        microBatches: parts,
      });
      return {seconds: settled(result), result};
    },
  });
  const piped = (schedule: ScheduleName): System => ({
    system: 'many-hands',
    schedule,
    workers: STAGES,
    run: async () => {
      const result = await trainParallel(one.model(), data, {
        ...options,
        devices: Array.from({length: STAGES}, () => 'cpu'),
        strategy: {kind: 'pipelineParallel', schedule, microBatches},
      });
      return {seconds: settled(result), result};
    },
  });
  const possible = SCHEDULE_NAMES.filter(
    (name) => name !== 'interleaved-1f1b' || microBatches % STAGES === 0,
  );
  return [
    alone('one device', microBatches),
    alone('one device, whole batch', 1),
    ...possible.map(piped),
  ];
}

async function peersOf(
  one: Case,
  microBatches: number,
): Promise<Array<{peer: Peer; system: System}>> {
  if (!flags.peers) return [];
  const made = (name: string, schedule: string, workers: number) =>
    torchPeer(
      'torch_pipeline.py',
      [one.name, schedule, workers, one.batchSize, microBatches, STEPS],
      {system: name, workers, threads: 1, batchSize: one.batchSize},
    );
  const found: Array<[string, Peer]> = [];
  // Its schedules want as many micro-batches as stages.
  if (microBatches >= STAGES)
    for (const schedule of ['gpipe', '1f1b'])
      found.push([schedule, await made('pytorch pipelining (gloo)', schedule, STAGES)]);
  found.push(['one device', await made('pytorch', 'none', 1)]);
  return found.map(([schedule, peer]) => ({
    peer,
    system: {
      system: peer.system,
      schedule,
      workers: peer.workers,
      run: async () => ({seconds: median((await peer.run()).steps.slice(FIRST)), result: null}),
    },
  }));
}

interface Measured {
  rows: Row[];
  speedup: Map<string, number>;
  byPeer: number | null;
}

async function measure(one: Case, microBatches: number): Promise<Measured> {
  const data = one.data();
  const peers = await peersOf(one, microBatches);
  const systems = [...ours(one, data, microBatches), ...peers.map(({system}) => system)];
  let runs: Array<Array<{seconds: number; result: TrainResult | null}>>;
  try {
    runs = await inTurn(Number(flags.rounds), systems, (system) => system.run());
  } finally {
    for (const {peer} of peers) await peer.close();
  }
  const seconds = runs.map((rounds) => rounds.map((run) => run.seconds));
  const speedup = new Map<string, number>();
  const rows = systems.map(({system, schedule, workers}, i): Row => {
    const own = seconds[i];
    const toOne = ratios(seconds[0], own);
    if (workers > 1) speedup.set(`${system} ${schedule}`, median(toOne));
    const bubbles = runs[i].flatMap(({result}) => (result && workers > 1 ? [bubble(result)] : []));
    const steps = runs[i].flatMap(
      ({result}) => result?.record.steps.slice(FIRST).map((step) => step.seconds) ?? [],
    );
    return {
      system,
      model: one.name,
      case: `batch ${one.batchSize}`,
      schedule,
      stages: workers,
      microBatches: schedule === 'one device, whole batch' ? 1 : microBatches,
      workers,
      threads: 1,
      samplesPerSecond: one.batchSize / median(own),
      p50Seconds: median(steps.length > 0 ? steps : own),
      p95Seconds: quantile(steps.length > 0 ? steps : own, 0.95),
      bubble: bubbles.length > 0 ? median(bubbles.map(({measured}) => measured!)) : null,
      bubbleExpected: bubbles.length > 0 ? median(bubbles.map(({expected}) => expected)) : null,
      peakBytes: runs[i][0].result
        ? Math.max(...runs[i][0].result!.memory.map(({peakBytes}) => peakBytes))
        : null,
      speedup: median(toOne),
      speedupLeast: Math.min(...toOne),
      speedupMost: Math.max(...toOne),
      speedupWholeBatch: median(ratios(seconds[1], own)),
      ideal:
        workers > 1 && bubbles.length > 0
          ? STAGES * (1 - median(bubbles.map(({expected}) => expected)))
          : null,
    };
  });
  const torch = systems.flatMap(({system}, i) =>
    system === 'pytorch pipelining (gloo)' ? [i] : [],
  );
  const best = (places: number[], round: number) =>
    Math.min(...places.map((i) => seconds[i][round]));
  const mine = systems.flatMap(({system, workers}, i) =>
    system === 'many-hands' && workers > 1 ? [i] : [],
  );
  const byPeer =
    torch.length > 0
      ? median(seconds[0].map((_, round) => best(torch, round) / best(mine, round)))
      : null;
  process.stderr.write(
    `${one.name}, m = ${microBatches}: ${[...speedup].map(([name, value]) => `${name} ${value.toFixed(2)}`).join(', ')}${byPeer ? `; by PyTorch ${byPeer.toFixed(2)}` : ''}\n`,
  );
  return {rows, speedup, byPeer};
}

async function main(): Promise<void> {
  const rows: Row[] = [];
  const goals = [];
  try {
    for (const one of CASES) {
      if (flags.model && !flags.model.includes(one.name)) continue;
      for (const microBatches of flags.microBatches.map(Number)) {
        const found = await measure(one, microBatches);
        rows.push(...found.rows);
        if (microBatches !== 8) continue;
        const own = [...found.speedup].filter(([name]) => name.startsWith('many-hands'));
        const [name, value] = own.reduce((a, b) => (b[1] > a[1] ? b : a));
        goals.push(
          goal(
            `speed-up over one device with the same 8 micro-batches, ${one.name}, best of the schedules (${name.replace('many-hands ', '')})`,
            value,
            '>=',
            0.9 * 1.78,
          ),
        );
        goals.push(
          goal(
            `by the faster of PyTorch's schedules over gloo, m = 8, ${one.name}`,
            found.byPeer,
            '>=',
            1,
          ),
        );
      }
    }
  } finally {
    await closeWorkers();
  }
  printReport(report('pipeline', process.argv.slice(2), rows, goals), {json: flags.json});
}

void main();
