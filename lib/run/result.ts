/**
 * What a run returns.
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

/** What a training run leaves: bytes in `traffic` and `memory`, seconds in `trace` and `record`. */
export interface TrainResult {
  /** tfjs's own: `history.history.loss` has a number an epoch. */
  history: tf.History;
  plan: Plan;
  trace: {spans: Span[]};
  /** What each rank sent and received, in bytes; empty on one device. */
  traffic: TrafficLine[];
  memory: MemoryUse[];
  devices: DeviceUse[];
  /** Where each rank's time went, from the trace; all zero where `trace` is false. */
  timing: RankTiming[];
  /** The rank that kept the others waiting; null where none stands out. */
  straggler: Straggler | null;
  /** The median step's wall time in seconds, its input included. */
  stepSeconds: number;
  /** Samples of all steps by the wall time of all steps. */
  samplesPerSecond: number;
  record: RunRecord;
}

export function makeResult(
  run: TrainRun,
  {description, plan, options, devices}: ResolvedRun,
  done: TrainDone[],
): TrainResult {
  const {steps} = run;
  const seconds = steps.reduce((sum, step) => sum + step.seconds, 0);
  const memory: MemoryUse[] = done.map((one) => one.memory);
  for (const {rank, operation, sent, received, formula} of done.flatMap((one) => one.traffic)) {
    if (sent !== formula.sent || received !== formula.received)
      throw new ManyHandsError(
        'INTERNAL',
        `internal: rank ${rank}'s ledger of ${operation} has ${sent} bytes sent and ${received} received, its formula ${formula.sent} and ${formula.received}.`,
      );
  }
  const traffic: TrafficLine[] = done.flatMap((one) =>
    one.traffic.map(({rank, operation, sent, received, formula}) => ({
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
    // A pipeline's ranks do different work: `diagnoseIdle` says which of them the others wait for.
    straggler: plan.mesh.pipeline > 1 ? null : stragglerOf(timing),
    // An initialEpoch at or past the last leaves no step.
    stepSeconds: steps.length > 0 ? median(steps.map((step) => step.seconds)) : 0,
    samplesPerSecond: run.samplesPerSecond,
    record,
  };
}

/** A line a rank, where there are several. */
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
