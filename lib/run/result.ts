/**
 * The result of a run.
 */
import {median} from '../base/statistics';
import * as tf from '@tensorflow/tfjs';
import {ManyHandsError} from '../base/errors';
import type {DeviceUse, RankSummary} from '../base/events';
import type {Span} from '../trace/spans';
import type {TrainDone} from '../job/protocol';
import {
  makeRecord,
  publicOptions,
  recordedStrategy,
  topologyHash,
  type RunRecord,
  type TrafficLine,
} from './record';
import type {ResolvedRun} from './resolveRun';
import type {MemoryUse} from '../memory/memoryUse';
import type {Plan} from '../config/plan';
import {stragglerOf, timingOf, type RankTiming, type Straggler} from './timing';
import type {TrainRun} from './trainRun';

/** The result of a training run: `traffic` and `memory` are in bytes, times in seconds. */
export interface TrainResult {
  /** tfjs's history: `history.history.loss` has one number per epoch. */
  history: tf.History;
  /** The strategy that ran, and why. */
  plan: Plan;
  /** What each rank did and when. */
  trace: {spans: Span[]};
  /** What each rank sent and received, in bytes; empty on one device. */
  traffic: TrafficLine[];
  /** The peak memory of each rank and what it consisted of. */
  memory: MemoryUse[];
  /** The device of each rank. */
  devices: DeviceUse[];
  /** How each rank spent its time, from the trace; all times are 0 if `trace` is false. */
  timing: RankTiming[];
  /** The rank that the others waited for; null if no rank is much slower than the others. */
  straggler: Straggler | null;
  /** The median wall time of a step in seconds, including its input. */
  stepSeconds: number;
  /** The samples of all steps divided by their wall time. */
  samplesPerSecond: number;
  /** The run as JSON. */
  record: RunRecord;
}

export function makeResult(
  run: TrainRun,
  {description, plan, options, devices}: ResolvedRun,
  done: TrainDone[],
): TrainResult {
  const steps = run.steps.list();
  const seconds = steps.reduce((sum, step) => sum + step.seconds, 0);
  const memory: MemoryUse[] = done.map((answer) => answer.memory);
  for (const {rank, operation, sent, received, formula} of done.flatMap(
    (answer) => answer.traffic,
  )) {
    if (sent !== formula.sent || received !== formula.received)
      throw new ManyHandsError(
        'INTERNAL',
        `internal: the ledger of rank ${rank} has ${sent} bytes sent and ${received} received by ${operation}; the formula says ${formula.sent} and ${formula.received}.`,
      );
  }
  const traffic: TrafficLine[] = done.flatMap((answer) =>
    answer.traffic.map(({rank, operation, sent, received, formula}) => ({
      rank,
      operation,
      sent,
      received,
      formula: formula.text,
    })),
  );
  const timing = done.map(({spans, samples}, rank) =>
    timingOf(rank, spans, samples, steps.length, seconds),
  );
  const record = makeRecord(
    {
      device: devices.map(({id, name, threads}) => ({id, name, threads})),
      seed: options.seed,
      model: topologyHash(description.topology),
      options: publicOptions(options, plan),
      strategy: recordedStrategy(plan),
      steps,
      traffic,
      memory,
    },
    tf,
  );
  return {
    history: run.history,
    plan,
    trace: {spans: done.flatMap(({spans}) => spans)},
    traffic,
    memory,
    devices,
    timing,
    // The ranks of a pipeline do different work; `diagnoseIdle` says which one the others wait for.
    straggler: plan.mesh.pipeline > 1 ? null : stragglerOf(timing),
    // There are no steps if initialEpoch is not below epochs.
    stepSeconds: steps.length > 0 ? median(steps.map((step) => step.seconds)) : 0,
    samplesPerSecond: run.samplesPerSecond,
    record,
  };
}

/** A summary of each rank; undefined for a single rank. */
export function summaries({
  devices,
  timing,
  traffic,
  memory,
}: TrainResult): RankSummary[] | undefined {
  if (devices.length < 2) return undefined;
  return devices.map(({rank, id}) => {
    const sentBytes = traffic
      .filter((line) => line.rank === rank)
      .reduce((sum, line) => sum + line.sent, 0);
    return {...timing[rank], device: id, sentBytes, peakBytes: memory[rank].peakBytes};
  });
}
