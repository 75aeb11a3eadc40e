/**
 * `bench -- data-parallel`: synchronous SGD with 256 samples a worker on 1 and 2
 * one-thread workers, compared with plain `model.fit` with all threads, and with --peers PyTorch's
 * DistributedDataParallel and PyTorch in one process. Each round runs every system once, in turn.
 */
import {median, quantile} from '../../lib/base/statistics';
import {physicalCores} from '../../lib/base/cgroup';
import {mnist} from '../../lib/data/mnist';
import type {Samples} from '../../lib/data/samples';
import {convnet, mlp} from '../../lib/models';
import {trainParallel} from '../../lib/trainParallel';
import {closeWorkers} from '../../lib/workers/pool';
import {goal, inTurn, printReport, report, type Row} from './report';
import {flagsOf} from './benches';
import {fitPeer, torchPeers} from './peers/dataParallelPeers';
import type {Peer, Run} from './peers/torchPeer';

const SHARE = 256;

interface Case {
  name: 'mlp' | 'convnet';
  steps: number;
  model(): ReturnType<typeof mlp>;
  data(samples: number): Samples;
}

const CASES: Case[] = [
  {
    name: 'mlp',
    steps: 40,
    model: () => mlp({seed: 1}),
    data: (train) => mnist({train, test: 0, flat: true}).train,
  },
  {
    name: 'convnet',
    steps: 6,
    model: () => convnet({seed: 1, optimizer: 'sgd'}),
    data: (train) => mnist({train, test: 0}).train,
  },
];

const flags = flagsOf('data-parallel');
const rounds = Number(flags.rounds);

/**
 * Ours on `workers` devices of one thread each: samples a second by the median step, since a run's
 * first steps load the engine.
 */
function ours(one: Case, workers: number): Peer {
  const batchSize = SHARE * workers;
  const data = one.data(batchSize * one.steps);
  const model = one.model();
  const devices = Array.from({length: workers}, () => 'cpu');
  return {
    system: 'many-hands',
    workers,
    threads: 1,
    batchSize,
    run: async () => {
      const {record} = await trainParallel(model, data, {
        batchSize,
        devices,
        threads: 1,
        strategy: 'dataParallel',
        shuffle: false,
        seed: 1,
        verbose: 0,
        trace: false,
      });
      return {steps: record.steps.map(({seconds}) => seconds)};
    },
    close: async () => {},
  };
}

interface Measured {
  peer: Peer;
  runs: Run[];
  /** Samples a second of each round, by its median step. */
  speeds: number[];
}

function rowOf(
  one: Case,
  {peer, runs, speeds}: Measured,
  efficiency: number | null,
  fit: Measured,
): Row {
  const steps = runs.flatMap((run) => run.steps);
  return {
    system: peer.system,
    model: one.name,
    case: `batch ${peer.batchSize}`,
    workers: peer.workers,
    threads: peer.threads,
    samplesPerSecond: median(speeds),
    samplesPerSecondLeast: Math.min(...speeds),
    samplesPerSecondMost: Math.max(...speeds),
    p50Seconds: median(steps),
    p95Seconds: quantile(steps, 0.95),
    efficiency,
    ratioToFit: ratio({peer, runs, speeds}, fit),
  };
}

/** The median over rounds of a's speed by b's in the same round. */
function ratio(a: Measured, b: Measured): number {
  return median(a.speeds.map((speed, round) => speed / b.speeds[round]));
}

interface Figures {
  rows: Row[];
  efficiency: number;
  toDdp: number | null;
}

async function measure(one: Case): Promise<Figures> {
  const peers = [
    ours(one, 1),
    ours(one, 2),
    await fitPeer(one.name, 2 * SHARE, physicalCores(), one.steps),
    ...(flags.peers ? await torchPeers(one.name, SHARE, one.steps) : []),
  ];
  let all: Measured[];
  try {
    const found = await inTurn(rounds, peers, (peer) => peer.run());
    all = found.map((runs, i) => ({
      peer: peers[i],
      runs,
      speeds: runs.map((run) => peers[i].batchSize / median(run.steps)),
    }));
  } finally {
    for (const peer of peers) await peer.close();
  }
  const [alone, two, fit] = all;
  const ddp = all.find(({peer}) => peer.system === 'pytorch DDP (gloo)');
  const efficiency = ratio(two, alone) / 2;
  process.stderr.write(
    `${one.name}: efficiency ${efficiency.toFixed(3)}; to fit ${ratio(two, fit).toFixed(2)}${ddp ? `; to DDP ${ratio(two, ddp).toFixed(2)}` : ''}\n`,
  );
  return {
    rows: all.map((measured) => rowOf(one, measured, measured === two ? efficiency : null, fit)),
    efficiency,
    toDdp: ddp ? ratio(two, ddp) : null,
  };
}

async function main(): Promise<void> {
  const figures = new Map<string, Figures>();
  try {
    for (const one of CASES)
      if (!flags.model || flags.model.includes(one.name)) figures.set(one.name, await measure(one));
  } finally {
    await closeWorkers();
  }
  const of = (name: string) => figures.get(name);
  const goals = [
    goal('efficiency of 2 workers on the MLP', of('mlp')?.efficiency ?? null, '>=', 0.95),
    goal('efficiency of 2 workers on the convnet', of('convnet')?.efficiency ?? null, '>=', 0.95),
    goal('2 workers by PyTorch DDP (gloo) on the MLP', of('mlp')?.toDdp ?? null, '>=', 1.25),
  ];
  printReport(
    report(
      'data-parallel',
      process.argv.slice(2),
      [...figures.values()].flatMap(({rows}) => rows),
      goals,
    ),
    {json: flags.json},
  );
}

void main();
