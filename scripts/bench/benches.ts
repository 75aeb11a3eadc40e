/**
 * The benches that there are, and the options of each.
 */
import {parseArgs} from 'node:util';
import {physicalCores} from '../../lib/base/cgroup';
import type {Options, Values} from '../command';

const json = {type: 'boolean', default: false} as const;
const peers = {type: 'boolean', default: false} as const;
const count = (standard: number) => ({type: 'string', default: String(standard)}) as const;
const counts = (...standard: number[]) =>
  ({type: 'string', multiple: true, default: standard.map(String)}) as const;
const names = {type: 'string', multiple: true} as const;

/** What each bench measures, and its options as `parseArgs` takes them. */
export const BENCHES = {
  allreduce: {
    what: 'all-reduce of 4 KiB to 64 MiB, our algorithms compared with memcpy; with --peers Open MPI and gloo',
    options: {json, peers, ranks: count(2), rounds: count(7)},
  },
  'data-parallel': {
    what: 'data parallelism on 1 and 2 workers compared with model.fit; with --peers PyTorch DDP',
    options: {json, peers, rounds: count(7), model: names},
  },
  grade: {what: 'the grader on 200 notebooks', options: {json}},
  pipeline: {
    what: 'two stages, every schedule, compared with one device; with --peers PyTorch pipelining',
    options: {json, peers, rounds: count(5), model: names, microBatches: counts(1, 2, 4, 8)},
  },
  planner: {
    what: 'predicted times of thirty models compared with measured ones; --cases takes a regular expression',
    options: {json, seconds: count(8), cases: {type: 'string'}},
  },
  start: {
    what: 'from a bare clone to the first trained model, and the second start',
    options: {json},
  },
  tensor: {
    what: 'tensor parallelism on two workers compared with one device',
    options: {json, rounds: count(5)},
  },
  train: {
    what: 'train compared with model.fit of plain tfjs',
    options: {json, pairs: count(7), threads: count(physicalCores())},
  },
  zero: {
    what: 'the stages of ZeRO compared with data parallelism: memory and speed',
    options: {
      json,
      rounds: count(7),
      ranks: counts(2, 4),
      optimizer: {type: 'string', default: 'adam'},
    },
  },
} as const;

export type BenchName = keyof typeof BENCHES;

/** Options whose values are whole numbers from 1; ranks are 2 at least. */
const LEAST: Record<string, number> = {
  microBatches: 1,
  pairs: 1,
  ranks: 2,
  rounds: 1,
  seconds: 1,
  threads: 1,
};

/** The sentence that says which value its option does not accept; null if all are accepted. */
export function wrongNumber(values: Record<string, unknown>): string | null {
  for (const [name, least] of Object.entries(LEAST)) {
    for (const value of [values[name] ?? []].flat()) {
      const given = Number(value);
      if (!Number.isInteger(given) || given < least)
        return `--${name} is '${String(value)}'; it takes a whole number from ${least}.`;
    }
  }
  return null;
}

/** The options that this process, a bench, was started with. */
export function flagsOf<N extends BenchName>(name: N): Values<(typeof BENCHES)[N]['options']> {
  const {options} = BENCHES[name];
  return parseArgs({options: options as Options}).values as Values<(typeof BENCHES)[N]['options']>;
}
