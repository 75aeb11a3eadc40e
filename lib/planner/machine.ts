/**
 * A machine in the planner's numbers, and where they are kept between runs.
 */
import {createHash} from 'node:crypto';
import {mkdirSync, readFileSync} from 'node:fs';
import {cpus, homedir} from 'node:os';
import {join} from 'node:path';
import {writeWhole} from '../base/wholeFile';
import {engineInfo} from '../devices/engine';
import type {LinkOperation} from './commBenchmark';
import type {StepTimes} from './profile';

/** α and β of an operation among so many ranks. */
export interface Link {
  operation: LinkOperation;
  /** Ranks that take part. */
  ranks: number;
  /** Seconds however short the array. */
  alpha: number;
  /** Seconds a byte of the whole array. */
  beta: number;
}

/** What `calibrate` found of this machine. */
export interface Machine {
  /** The processor's name, or the GPU's. */
  device: string;
  /** Physical cores that this process may use; 0 of a GPU. */
  cores: number;
  /** Bytes of memory for all workers together. */
  memoryBytes: number;
  /** The engine and its version. */
  engine: string;
  links: Link[];
}

/** What `plan` measures of a machine and of a model on it. */
export interface Measured {
  machine: Machine;
  /** A step's times at each of the sizes that `plan` asks for. */
  times: StepTimes[];
  /** As `updateSeconds` of `profile.ts`. */
  updateSeconds: number;
}

/** Changes whenever what is measured, or how, does. */
const FORMAT = 'many-hands-calibration/7';

const folder = () => join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'many-hands');

/** The name under which this machine and engine keep `what`. */
function fileOf(what: string): string {
  const {name, libtensorflow} = engineInfo();
  const key = [
    FORMAT,
    what,
    cpus()[0]?.model,
    cpus().length,
    process.arch,
    process.versions.node,
    name,
    libtensorflow,
  ].join('\n');
  return join(folder(), `${createHash('sha256').update(key).digest('hex').slice(0, 32)}.json`);
}

/**
 * What was kept under `what` on this machine; null where there is nothing, or nothing that can be
 * read.
 */
export function recall<T>(what: string): T | null {
  try {
    return JSON.parse(readFileSync(fileOf(what), 'utf8')) as T;
  } catch {
    return null;
  }
}

/**
 * Keeps a value under `what`. A place that cannot be written keeps nothing, and the next run
 * measures again.
 */
export function keep<T>(what: string, value: T): T {
  const file = fileOf(what);
  try {
    mkdirSync(folder(), {recursive: true});
    writeWhole(file, JSON.stringify(value));
  } catch {
    return value;
  }
  return value;
}
