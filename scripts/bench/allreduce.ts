/**
 * `bench -- allreduce`: 4 KiB to 64 MiB over `--ranks` processes, our algorithms compared with
 * every rank's concurrent memcpy of the same bytes, and with --peers Open MPI and gloo. Each round
 * runs every system once, in turn; results are verified in each.
 */
import {median, quantile} from '../../lib/base/statistics';
import {physicalCores} from '../../lib/base/cgroup';
import {runRanks} from '../../lib/collectives/runRanks';
import type {Algorithm} from '../../lib/collectives/types';
import {spmd} from '../../lib/run/spmd';
import {closeWorkers} from '../../lib/workers/pool';
import allreduceProgram, {type Timed} from './allreduceProgram';
import {allreducePeers, type AllreducePeer} from './peers/allreducePeers';
import {goal, printReport, report, type Row} from './report';
import {flagsOf} from './benches';

const KIB = 1024;
const MIB = 1024 * KIB;
const BYTES = [4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB, 4 * MIB, 16 * MIB, 32 * MIB, 64 * MIB];
const SMALL = 4 * KIB;
const LARGE = 32 * MIB;
/** In one process a rank's sum waits for the others': beyond this only the wait grows. */
const MOST_IN_PROCESS = 4 * MIB;
const PROGRAM = require.resolve('./allreduceProgram');

const flags = flagsOf('allreduce');
const ranks = Number(flags.ranks);
const rounds = Number(flags.rounds);

interface Line {
  system: string;
  transport: string;
  algorithm: string | null;
  bytes: number;
  /** The median call of each round, in seconds. */
  rounds: number[];
  seconds: number[];
}

class Lines {
  private readonly lines = new Map<string, Line>();

  add(key: Pick<Line, 'system' | 'transport' | 'algorithm' | 'bytes'>, seconds: number[]): void {
    const name = JSON.stringify(key);
    let line = this.lines.get(name);
    if (!line) this.lines.set(name, (line = {...key, rounds: [], seconds: []}));
    line.rounds.push(median(seconds));
    line.seconds.push(...seconds);
  }

  of(transport: string, algorithm: string | null, bytes: number): Line | undefined {
    return [...this.lines.values()].find(
      (line) =>
        line.transport === transport && line.algorithm === algorithm && line.bytes === bytes,
    );
  }

  rows(): Row[] {
    return [...this.lines.values()].map(
      ({system, transport, algorithm, bytes, rounds: medians, seconds}) => {
        const algbw = bytes / median(medians);
        return {
          system,
          case: transport === 'memcpy' ? 'every rank copies these bytes at once' : 'sum of float32',
          transport,
          algorithm,
          ranks,
          workers: transport === 'inProcess' ? 1 : ranks,
          threads: 1,
          bytes,
          p50Seconds: median(medians),
          p50Least: Math.min(...medians),
          p50Most: Math.max(...medians),
          p95Seconds: quantile(seconds, 0.95),
          algbw,
          // nccl-tests, doc/PERFORMANCE.md: what a link would have to carry, whatever the
          // algorithm.
          busbw: transport === 'memcpy' ? null : (algbw * 2 * (ranks - 1)) / ranks,
        };
      },
    );
  }
}

const TEXTBOOK: Algorithm[] = ['naive', 'ring', 'recursive', 'tree'];

/** The slowest rank's calls are the group's. */
function slowest(byRank: Timed[][]): Timed[] {
  return byRank[0].map((one, i) => ({
    ...one,
    seconds: one.seconds.map((_, call) =>
      Math.max(...byRank.map((timed) => timed[i].seconds[call])),
    ),
  }));
}

async function ours(lines: Lines): Promise<void> {
  const devices = Array.from({length: ranks}, () => 'cpu');
  const args = {bytes: BYTES, algorithms: ['shared', ...TEXTBOOK]};
  const timed = slowest(
    (await spmd(PROGRAM, {devices, threads: 1, args, timeoutMs: 60_000})) as Timed[][],
  );
  for (const {algorithm, bytes, seconds} of timed) {
    if (algorithm === 'memcpy')
      lines.add({system: 'memcpy', transport: 'memcpy', algorithm: null, bytes}, seconds);
    else lines.add({system: 'many-hands', transport: 'sharedMemory', algorithm, bytes}, seconds);
  }
  const small = BYTES.filter((bytes) => bytes <= MOST_IN_PROCESS);
  const inProcess = await runRanks(ranks, async (comm) =>
    allreduceProgram({comm, args: {bytes: small, algorithms: ['ring']}} as Parameters<
      typeof allreduceProgram
    >[0]),
  );
  for (const {bytes, seconds} of slowest(inProcess))
    lines.add({system: 'many-hands', transport: 'inProcess', algorithm: 'ring', bytes}, seconds);
}

/** The median over rounds of a's time by b's in the same round. */
function ratio(a: Line | undefined, b: Line | undefined): number | null {
  return a && b ? median(a.rounds.map((seconds, round) => seconds / b.rounds[round])) : null;
}

async function main(): Promise<void> {
  const peers: AllreducePeer[] = flags.peers ? await allreducePeers(ranks) : [];
  const lines = new Lines();
  if (ranks > physicalCores())
    process.stderr.write(
      `${ranks} ranks on ${physicalCores()} cores take turns: read bytes and shape from this, no speed.\n`,
    );
  try {
    // The first round warms all up.
    for (let round = -1; round < rounds; round++) {
      const into = round < 0 ? new Lines() : lines;
      await ours(into);
      for (const {system, transport, run} of peers)
        for (const {bytes, seconds} of run(BYTES))
          into.add({system, transport, algorithm: null, bytes}, seconds);
    }
  } finally {
    await closeWorkers();
  }
  const own = (bytes: number) => lines.of('sharedMemory', 'shared', bytes);
  const inTime = ranks <= physicalCores();
  const measured = (value: number | null) => (inTime ? value : null);
  const goals = [
    goal(
      'busbw by Open MPI at 32 MiB',
      measured(ratio(lines.of('open-mpi', null, LARGE), own(LARGE))),
      '>=',
      3,
    ),
    goal(
      'busbw by gloo at 32 MiB',
      measured(ratio(lines.of('gloo', null, LARGE), own(LARGE))),
      '>=',
      6,
    ),
    goal(
      'time of a concurrent memcpy by ours at 32 MiB',
      measured(ratio(lines.of('memcpy', null, LARGE), own(LARGE))),
      '>=',
      0.85,
    ),
    goal(
      '4 KiB p50 by Open MPI',
      measured(ratio(own(SMALL), lines.of('open-mpi', null, SMALL))),
      '<=',
      1,
    ),
  ];
  printReport(report('allreduce', process.argv.slice(2), lines.rows(), goals), {json: flags.json});
}

void main();
