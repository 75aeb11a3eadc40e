/**
 * Caller side. `bench -- zero`: the transformer with Adam in plain data parallelism and in the three stages of ZeRO, on one-thread workers: what
 * each rank holds at most, and samples a second; and on one device what recompute and accumulation save and cost, beside the account. Each
 * round runs every strategy once, in turn.
 */
import {parseArgs} from 'node:util';
import {ModelAccount} from '../../lib/account';
import {median} from '../../lib/base/median';
import {textCorpus} from '../../lib/data/text';
import {transformer} from '../../lib/models';
import type {TrainResult} from '../../lib/run/result';
import type {TrainOptions} from '../../lib/run/options';
import {train} from '../../lib/train';
import {trainParallel} from '../../lib/trainParallel';
import {closeWorkers} from '../../lib/workers/pool';
import {goal, printReport, quantile, report, type Row} from './report';

const STRATEGIES = ['dataParallel', 'zero1', 'zero2', 'fsdp'] as const;
type Name = (typeof STRATEGIES)[number];

const {values: flags} = parseArgs({
  options: {json: {type: 'boolean', default: false}, rounds: {type: 'string', default: '7'}, ranks: {type: 'string', multiple: true, default: ['2', '4']}, optimizer: {type: 'string', default: 'adam'}},
});
const SHARE = 16;
const SEQUENCE = 64;
const STEPS = 12;
const model = () => transformer({layers: 4, hidden: 128, heads: 4, sequence: SEQUENCE, seed: 1, optimizer: flags.optimizer});

interface Measured {
  speeds: number[];
  steps: number[];
  last: TrainResult | null;
}

async function measure(ranks: number): Promise<{rows: Row[]; ratio: number}> {
  const batchSize = SHARE * ranks;
  const data = textCorpus({sequence: SEQUENCE, samples: batchSize * STEPS, seed: 1});
  const all = new Map<Name, Measured>(STRATEGIES.map((name) => [name, {speeds: [], steps: [], last: null}]));
  for (let round = -1; round < Number(flags.rounds); round++) {
    for (const [strategy, found] of all) {
      const result = await trainParallel(model(), data, {batchSize, devices: Array.from({length: ranks}, () => 'cpu'), threads: 1, strategy, shuffle: false, seed: 1, verbose: 0, trace: false});
      // The first round warms all up; a run's first steps load the engine.
      if (round < 0) continue;
      const seconds = result.record.steps.slice(2).map((step) => step.seconds);
      found.speeds.push(batchSize / median(seconds));
      found.steps.push(...seconds);
      found.last = result;
    }
  }
  const plain = all.get('dataParallel')!;
  const ratioOf = ({speeds}: Measured) => median(speeds.map((speed, round) => speed / plain.speeds[round]));
  const parameters = model().countParams();
  const rows = [...all].map(([strategy, found]): Row => {
    const memory = found.last!.memory;
    const most = (of: (one: (typeof memory)[number]) => number) => Math.max(...memory.map(of));
    return {
      system: 'many-hands', case: `transformer, batch ${batchSize}`, strategy, workers: ranks, threads: 1,
      samplesPerSecond: median(found.speeds), samplesPerSecondLeast: Math.min(...found.speeds), samplesPerSecondMost: Math.max(...found.speeds),
      p50Seconds: median(found.steps), p95Seconds: quantile(found.steps, 0.95),
      memory: most(({peakBytes}) => peakBytes), stateBytesPerParameter: most(({stateBytes}) => stateBytes) / parameters,
      gathered: most(({byCategory}) => byCategory!.gathered), communication: most(({byCategory}) => byCategory!.communication),
      sentPerStep: found.last!.traffic.filter(({rank, operation}) => rank === 0 && /gradients|parameters|updated weights/.test(operation)).reduce((sum, {sent}) => sum + sent, 0) / STEPS,
      ratioToDataParallel: ratioOf(found),
    };
  });
  const ratio = ratioOf(all.get('fsdp')!);
  process.stderr.write(`${ranks} ranks: ${[...all].map(([name, found]) => `${name} ${ratioOf(found).toFixed(2)}`).join(', ')} of plain data parallelism\n`);
  return {rows, ratio};
}

const TRADES: Record<string, Pick<TrainOptions, 'microBatches' | 'recompute'>> = {
  'as it is': {}, 'microBatches 4': {microBatches: 4}, "recompute 'block'": {recompute: 'block'}, both: {microBatches: 4, recompute: 'block'},
};

/** One device: the peak beside the account, and the time beside that of the step as it is. */
async function measureTrades(): Promise<Row[]> {
  const batchSize = 2 * SHARE;
  const data = textCorpus({sequence: SEQUENCE, samples: batchSize * (STEPS / 2), seed: 1});
  const account = new ModelAccount(model());
  const all = Object.entries(TRADES).map(([name, options]) => ({name, options, seconds: [] as number[], steps: [] as number[], peak: 0}));
  for (let round = -1; round < Number(flags.rounds); round++) {
    for (const one of all) {
      const {record, memory} = await train(model(), data, {batchSize, threads: 1, seed: 1, verbose: 0, trace: false, ...one.options});
      if (round < 0) continue;
      const seconds = record.steps.slice(1).map((step) => step.seconds);
      one.seconds.push(median(seconds));
      one.steps.push(...seconds);
      one.peak = memory[0].peakBytes;
    }
  }
  return all.map(({name, options, seconds, steps, peak}): Row => ({
    system: 'many-hands', case: `transformer, batch ${batchSize}, ${name}`, strategy: 'one device', workers: 1, threads: 1,
    samplesPerSecond: batchSize / median(seconds), p50Seconds: median(steps), p95Seconds: quantile(steps, 0.95), memory: peak, memoryForetold: account.at({batchSize, ...options}).peakBytes,
    timeByPlain: median(seconds.map((value, round) => value / all[0].seconds[round])),
  }));
}

async function main(): Promise<void> {
  const rows: Row[] = [];
  let atTwo: number | null = null;
  try {
    rows.push(...(await measureTrades()));
    for (const ranks of flags.ranks.map(Number)) {
      const found = await measure(ranks);
      rows.push(...found.rows);
      if (ranks === 2) atTwo = found.ratio;
    }
  } finally {
    await closeWorkers();
  }
  printReport(report('zero', process.argv.slice(2), rows, [goal('stage 3 by plain data parallelism, 2 ranks, transformer', atTwo, '>=', 0.85)]), {json: flags.json});
}

void main();
