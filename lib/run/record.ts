/**
 * The record of a run, in the format `many-hands-run/1`. It contains no user name, host name or
 * path, so it can be given to others.
 */
import {createHash} from 'node:crypto';
import {readFileSync} from 'node:fs';
import {basename, join} from 'node:path';
import type * as tf from '@tensorflow/tfjs';
import {ManyHandsError, messageOf} from '../base/errors';
import {writeWhole} from '../base/wholeFile';
import type {MemoryUse} from '../memory/memoryUse';
import type {CheckedOptions} from '../config/checkOptions';
import type {Plan} from '../config/plan';
import {engineInfo} from '../devices/engine';
import type {ModuleReference} from '../model/describe';
import {pipelineSchedule, SCHEDULE_NAMES} from '../pipelineParallel/namedSchedules';

/** The bytes that one rank sent and received in one operation, and the formula as text. */
export interface TrafficLine {
  rank: number;
  operation: string;
  /** Bytes. */
  sent: number;
  /** Bytes. */
  received: number;
  formula: string;
}

/** A run as JSON, for comparing it with other runs or repeating it. */
export interface RunRecord {
  format: 'many-hands-run/1';
  course: string;
  library: string;
  engine: string;
  device: Array<{id: string; name: string; threads: number}>;
  versions: Record<string, string | null>;
  seed: number;
  /** SHA-256 of the topology. */
  model: string;
  options: Record<string, unknown>;
  strategy: object;
  steps: Array<{loss: number; seconds: number}>;
  traffic: TrafficLine[];
  memory: MemoryUse[];
}

const {version} = JSON.parse(
  readFileSync(join(__dirname, '..', '..', '..', 'package.json'), 'utf8'),
) as {version: string};

function versions(tfjs: string): Record<string, string | null> {
  return {node: process.versions.node, tfjs, libtensorflow: engineInfo().libtensorflow};
}

export function topologyHash(topology: object): string {
  return createHash('sha256').update(JSON.stringify(topology)).digest('hex');
}

/** The options that a reader may see: plain values, and modules by their file names only. */
export function publicOptions(
  options: CheckedOptions,
  {microBatches, recompute}: Plan,
): Record<string, unknown> {
  const {modules, record, callbacks, signal, strategy, devices, ...rest} = options;
  const name = (entry: ModuleReference) =>
    basename(typeof entry === 'string' ? entry : entry.module);
  return {
    ...rest,
    microBatches,
    recompute,
    modules: modules.map(name),
    validationData: options.validationData !== null,
    sampleWeight: options.sampleWeight !== null,
  };
}

/** The plan as a strategy that can be run again; the library's own schedules are given by name. */
export function recordedStrategy({schedule, ...plan}: Plan): object {
  if (!schedule) return plan;
  const name = SCHEDULE_NAMES.find((known) => known === schedule.name);
  const ranks = plan.mesh.pipeline;
  const {microBatches, stagesPerRank} = plan;
  const named = name && pipelineSchedule(name, {ranks, microBatches, stagesPerRank});
  const isNamed = JSON.stringify(named) === JSON.stringify(schedule);
  return {...plan, schedule: isNamed ? name : schedule};
}

export function makeRecord(
  parts: Omit<RunRecord, 'format' | 'course' | 'library' | 'engine' | 'versions'>,
  tfjs: typeof tf,
): RunRecord {
  return {
    format: 'many-hands-run/1',
    course: `many-hands ${version}`,
    library: `many-hands ${version}`,
    engine: engineInfo().name,
    versions: versions(tfjs.version.tfjs),
    ...parts,
  };
}

/** Writes the complete record or nothing. Throws BAD_OPTION if the file cannot be written. */
export function writeRecord(file: string, record: RunRecord): void {
  try {
    writeWhole(file, `${JSON.stringify(record, null, 1)}\n`);
  } catch (error) {
    throw new ManyHandsError(
      'BAD_OPTION',
      `the record could not be written to ${file}: ${messageOf(error)} The model holds the trained weights.`,
      {cause: error},
    );
  }
}
