/**
 * What a run tells while it runs: `train` emits, a cell's chart and a terminal's
 * progress line listen.
 */

/**
 * One device of a run: which rank drives it, its id ('cpu', 'cuda:0'), its name, and its threads
 * (0: the engine's own choice).
 */
export interface DeviceUse {
  rank: number;
  id: string;
  name: string;
  threads: number;
}

/** The facts that are known before the first step. */
/** A run begins: what it will do, on which devices. */
export interface RunStart {
  type: 'start';
  /** Counts this process's runs. */
  run: number;
  devices: DeviceUse[];
  strategy: string;
  epochs: number;
  /** The first epoch's number, as in tfjs's `fit`. */
  initialEpoch: number;
  stepsPerEpoch: number;
  /** Samples of one optimizer step, over all devices. */
  batchSize: number;
  samples: number;
  /**
   * tfjs's own names, 'loss' first, 'val_loss' and its kin after them where there is validation.
   */
  metrics: string[];
  /** As in tfjs's `fit`: 0 silent, 1 live. */
  verbose: number;
}

/**
 * One optimizer step: `step` counts from 0 over the whole run, `seconds` is this step's wall time.
 */
export interface RunStep {
  type: 'step';
  /** Counts this process's runs. */
  run: number;
  epoch: number;
  step: number;
  samples: number;
  seconds: number;
  logs: Record<string, number>;
}

/** An epoch is over; `logs` holds its means, validation included. */
export interface RunEpoch {
  type: 'epoch';
  /** Counts this process's runs. */
  run: number;
  epoch: number;
  logs: Record<string, number>;
}

/** A line that a worker printed. */
export interface RunOutput {
  type: 'output';
  /** Counts this process's runs. */
  run: number;
  rank: number;
  stream: 'stdout' | 'stderr';
  text: string;
}

/**
 * How one rank of several fared: mean seconds of a step, bytes sent over the whole run, bytes alive
 * at once at most.
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
 * The run is over: `error` is set when it failed or was interrupted, `ranks` when several ranks
 * finished it.
 */
export interface RunEnd {
  type: 'end';
  /** Counts this process's runs. */
  run: number;
  seconds: number;
  samplesPerSecond: number;
  error?: Error;
  ranks?: RankSummary[];
}

/**
 * What a run tells while it goes on: its start, its steps and epochs, its workers' output, its end.
 */
export type RunEvent = RunStart | RunStep | RunEpoch | RunOutput | RunEnd;
/** Gets every event, in the caller's process, as soon as it is known. */
export type RunListener = (event: RunEvent) => void;

const listeners = new Set<RunListener>();

/** Listens to every run of this process; returns the function that stops listening. */
export function onRun(listener: RunListener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Tells all listeners, in the order in which they came. */
export function emitRun(event: RunEvent): void {
  for (const listener of listeners) listener(event);
}
