/**
 * A machine as the planner's numbers describe it, and the cache of measurements on disk.
 */
import {createHash} from 'node:crypto';
import {mkdirSync, readFileSync} from 'node:fs';
import {cpus, homedir} from 'node:os';
import {join} from 'node:path';
import type {Check} from '../base/options';
import {writeWhole} from '../base/wholeFile';
import {engineInfo} from '../devices/engine';
import type {LinkOperation} from './commBenchmark';
import type {StepTimes} from './stepTimes';

/** α and β of an operation among `ranks` ranks. */
export interface Link {
  operation: LinkOperation;
  /** The number of ranks that take part. */
  ranks: number;
  /** α: seconds, however short the array. */
  alpha: number;
  /** β: seconds per byte of the whole array. */
  beta: number;
}

/** A machine as `calibrate` measured it. */
export interface Machine {
  /** The processor's name, or the GPU's. */
  device: string;
  /** Physical cores that this process may use; 0 for a GPU. */
  cores: number;
  /** Bytes of memory for all workers together. */
  memoryBytes: number;
  /** The engine and its version. */
  engine: string;
  links: Link[];
}

/** What the option `machine` must be. */
export const aMachine: Check = {
  expected: 'a machine as calibrate() returns it',
  accepts: (value) => {
    const {cores, memoryBytes, links} = (value ?? {}) as Partial<Machine>;
    return typeof cores === 'number' && typeof memoryBytes === 'number' && Array.isArray(links);
  },
};

/** What `plan` measures of a machine and of a model on it. */
export interface Measured {
  machine: Machine;
  /** A step's times at each of the sizes that `plan` asks for. */
  times: StepTimes[];
  /** As `updateSeconds` of `profile.ts`. */
  updateSeconds: number;
}

/** Changes whenever what is measured, or how, does. */
const FORMAT = 'many-hands-calibration/8';

const folder = () => join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'many-hands');

/** The file of a measurement on this machine with this engine. */
function fileOf(measurement: string): string {
  const {name, libtensorflow} = engineInfo();
  const key = [
    FORMAT,
    measurement,
    cpus()[0]?.model,
    cpus().length,
    process.arch,
    process.versions.node,
    name,
    libtensorflow,
  ].join('\n');
  return join(folder(), `${createHash('sha256').update(key).digest('hex').slice(0, 32)}.json`);
}

/** A measurement saved on this machine; null where there is none, or its file cannot be read. */
export function loadMeasurement<T>(measurement: string): T | null {
  try {
    return JSON.parse(readFileSync(fileOf(measurement), 'utf8')) as T;
  } catch {
    return null;
  }
}

/**
 * Saves a measurement and returns its value. Where the folder cannot be written, nothing is saved,
 * and the next run measures again.
 */
export function saveMeasurement<T>(measurement: string, value: T): T {
  const file = fileOf(measurement);
  try {
    mkdirSync(folder(), {recursive: true});
    writeWhole(file, JSON.stringify(value));
  } catch {
    return value;
  }
  return value;
}
