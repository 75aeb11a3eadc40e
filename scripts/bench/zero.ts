/**
 * `bench -- zero`: the transformer with Adam in plain data parallelism and in the three stages of
 * ZeRO, on one-thread workers: what each rank holds at most, and samples a second; and on one
 * device what recompute and accumulation save and cost, compared with the memory estimate. Each
 * round runs every strategy once, in turn.
 */
import {median, quantile} from '../../lib/base/statistics';
import {MemoryEstimator} from '../../lib/memoryEstimate';
import {textCorpus} from '../../lib/data/text';
import {transformer} from '../../lib/models';
import type {TrainResult} from '../../lib/run/result';
import type {TrainOptions} from '../../lib/config/options';
import {train} from '../../lib/run/train';
import {trainParallel} from '../../lib/trainParallel';
import {closeWorkers} from '../../lib/workers/pool';
import {goal, inTurn, printReport, report, type Row} from './report';
import {flagsOf} from './benches';

const STRATEGIES = ['dataParallel', 'zero1', 'zero2', 'fsdp'] as const;

const flags = flagsOf('zero');
const SHARE = 16;
const SEQUENCE = 64;
const STEPS = 12;
const model = () =>
  transformer({
    layers: 4,
    hidden: 128,
    heads: 4,
    sequence: SEQUENCE,
    seed: 1,
    optimizer: flags.optimizer,
  });

/** The seconds of a run's steps without the first ones, which load the engine. */
const settled = ({record}: TrainResult, first: number) =>
  record.steps.slice(first).map((step) => step.seconds);
/** The median over rounds of a's values by b's in the same round. */
const ratio = (a: number[], b: number[]) => median(a.map((value, round) => value / b[round]));

async function measure(ranks: number): Promise<{rows: Row[]; ofStage3: number}> {
  const batchSize = SHARE * ranks;
  const data = textCorpus({sequence: SEQUENCE, samples: batchSize * STEPS, seed: 1});
  const devices = Array.from({length: ranks}, () => 'cpu');
  const runs = await inTurn(Number(flags.rounds), STRATEGIES, (strategy) =>
    trainParallel(model(), data, {
      batchSize,
      devices,
      threads: 1,
      strategy,
      shuffle: false,
      seed: 1,
      verbose: 0,
      trace: false,
    }),
  );
  const speeds = runs.map((rounds) =>
    rounds.map((result) => batchSize / median(settled(result, 2))),
  );
  const ratios = speeds.map((own) => ratio(own, speeds[0]));
  const parameters = model().countParams();
  const rows = STRATEGIES.map((strategy, i): Row => {
    const steps = runs[i].flatMap((result) => settled(result, 2));
    const {memory, traffic} = runs[i][runs[i].length - 1];
    const most = (of: (one: (typeof memory)[number]) => number) => Math.max(...memory.map(of));
    return {
      system: 'many-hands',
      case: `transformer, batch ${batchSize}`,
      strategy,
      workers: ranks,
      threads: 1,
      samplesPerSecond: median(speeds[i]),
      samplesPerSecondLeast: Math.min(...speeds[i]),
      samplesPerSecondMost: Math.max(...speeds[i]),
      p50Seconds: median(steps),
      p95Seconds: quantile(steps, 0.95),
      memory: most(({peakBytes}) => peakBytes),
      stateBytesPerParameter: most(({stateBytes}) => stateBytes) / parameters,
      gathered: most(({byCategory}) => byCategory!.gathered),
      communication: most(({byCategory}) => byCategory!.communication),
      sentPerStep:
        traffic
          .filter(
            ({rank, operation}) =>
              rank === 0 && /gradients|parameters|updated weights/.test(operation),
          )
          .reduce((sum, {sent}) => sum + sent, 0) / STEPS,
      ratioToDataParallel: ratios[i],
    };
  });
  process.stderr.write(
    `${ranks} ranks: ${STRATEGIES.map((name, i) => `${name} ${ratios[i].toFixed(2)}`).join(', ')} of plain data parallelism\n`,
  );
  return {rows, ofStage3: ratios[STRATEGIES.indexOf('fsdp')]};
}

const TRADES: Record<string, Pick<TrainOptions, 'microBatches' | 'recompute'>> = {
  'as it is': {},
  'microBatches 4': {microBatches: 4},
  "recompute 'block'": {recompute: 'block'},
  both: {microBatches: 4, recompute: 'block'},
};

/**
 * One device: the measured peak next to the estimate, and the time next to that of a plain step.
 */
async function measureTrades(): Promise<Row[]> {
  const batchSize = 2 * SHARE;
  const data = textCorpus({sequence: SEQUENCE, samples: batchSize * (STEPS / 2), seed: 1});
  const account = new MemoryEstimator(model());
  const trades = Object.entries(TRADES);
  const runs = await inTurn(Number(flags.rounds), trades, ([, options]) =>
    train(model(), data, {batchSize, threads: 1, seed: 1, verbose: 0, trace: false, ...options}),
  );
  const seconds = runs.map((rounds) => rounds.map((result) => median(settled(result, 1))));
  return trades.map(([name, options], i): Row => {
    const steps = runs[i].flatMap((result) => settled(result, 1));
    return {
      system: 'many-hands',
      case: `transformer, batch ${batchSize}, ${name}`,
      strategy: 'one device',
      workers: 1,
      threads: 1,
      samplesPerSecond: batchSize / median(seconds[i]),
      p50Seconds: median(steps),
      p95Seconds: quantile(steps, 0.95),
      memory: runs[i][0].memory[0].peakBytes,
      memoryPredicted: account.at({batchSize, ...options}).peakBytes,
      timeByPlain: ratio(seconds[i], seconds[0]),
    };
  });
}

async function main(): Promise<void> {
  const rows: Row[] = [];
  let atTwo: number | null = null;
  try {
    rows.push(...(await measureTrades()));
    for (const ranks of flags.ranks.map(Number)) {
      const found = await measure(ranks);
      rows.push(...found.rows);
      if (ranks === 2) atTwo = found.ofStage3;
    }
  } finally {
    await closeWorkers();
  }
  printReport(
    report('zero', process.argv.slice(2), rows, [
      goal('stage 3 by plain data parallelism, 2 ranks, transformer', atTwo, '>=', 0.85),
    ]),
    {json: flags.json},
  );
}

void main();
