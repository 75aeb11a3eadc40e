/**
 * The events of a run: `train` emits them; the chart of a cell and the progress line of a terminal
 * listen.
 */

import {aFunction, checkValue} from './options';

/** One device of a run. */
export interface DeviceUse {
  /** The rank that uses the device. */
  rank: number;
  /** 'cpu' or 'cuda:0'. */
  id: string;
  name: string;
  /** Threads of the engine; 0 leaves the choice to the engine. */
  threads: number;
}

/** A run starts: everything that is known before its first step. */
export interface RunStart {
  type: 'start';
  /** The number of the run in this process. */
  run: number;
  devices: DeviceUse[];
  strategy: string;
  epochs: number;
  /** The first epoch's number, as in tfjs's `fit`. */
  initialEpoch: number;
  stepsPerEpoch: number;
  /** Samples per optimizer step, over all devices. */
  batchSize: number;
  samples: number;
  /** The names of tfjs: 'loss' first; with validation, 'val_loss' and so on at the end. */
  metrics: string[];
  /** As in tfjs's `fit`: 0 shows nothing, 1 shows progress. */
  verbose: number;
}

/**
 * An optimizer step has ended. `step` counts from 0 over the whole run, `seconds` is the wall time
 * of this step.
 */
export interface RunStep {
  type: 'step';
  /** The number of the run in this process. */
  run: number;
  epoch: number;
  step: number;
  samples: number;
  seconds: number;
  logs: Record<string, number>;
}

/** An epoch has ended; `logs` holds its means, including validation. */
export interface RunEpoch {
  type: 'epoch';
  /** The number of the run in this process. */
  run: number;
  epoch: number;
  logs: Record<string, number>;
}

/** A line that a worker printed. */
export interface RunOutput {
  type: 'output';
  /** The number of the run in this process. */
  run: number;
  rank: number;
  stream: 'stdout' | 'stderr';
  text: string;
}

/**
 * The performance of one rank of several: mean seconds per step, bytes sent in the whole run, and
 * the peak of allocated bytes.
 */
export interface RankSummary {
  rank: number;
  device: string;
  samplesPerSecond: number;
  computeSeconds: number;
  communicationSeconds: number;
  waitSeconds: number;
  noCoreSeconds: number;
  sentBytes: number;
  peakBytes: number;
}

/**
 * The run has ended. `error` is set if it failed or was interrupted, `ranks` if several ranks
 * finished it.
 */
export interface RunEnd {
  type: 'end';
  /** The number of the run in this process. */
  run: number;
  seconds: number;
  samplesPerSecond: number;
  error?: Error;
  ranks?: RankSummary[];
}

/** An event of a run: its start, its steps and epochs, the output of its workers, its end. */
export type RunEvent = RunStart | RunStep | RunEpoch | RunOutput | RunEnd;
/** Gets every event as soon as it happens, in the caller's process. */
export type RunListener = (event: RunEvent) => void;

const listeners = new Set<RunListener>();

/**
 * Listens to every run of this process; returns the function that stops listening.
 * Throws BAD_OPTION.
 */
export function onRun(listener: RunListener): () => void {
  checkValue('onRun', 'the listener', listener, aFunction);
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Passes an event to all listeners, in the order in which they were added. */
export function emitRun(event: RunEvent): void {
  for (const listener of listeners) listener(event);
}
