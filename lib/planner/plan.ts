/**
 * `plan(model, options)`: every way to train this model on these devices, with what a
 * step would take, best first.
 */
import type * as tf from '@tensorflow/tfjs';
import {
  anObject,
  anything,
  listOf,
  readOptions,
  wholeNumber,
  type OptionTable,
} from '../base/options';
import {parseBytes} from '../base/units';
import {chooseDevices} from '../devices/devices';
import {describeModel, type ModuleReference} from '../model/describe';
import type {Mesh} from '../mesh/mesh';
import type {Recompute} from '../model/segments';
import {splitPointName} from '../pipelineParallel/splitPoints';
import {strategyName, type ZeroStage} from '../config/plan';
import type {StrategyFields} from '../config/options';
import {readGraph, type Graph} from '../model/graph';
import {calibrate} from './calibrate';
import type {Machine, Measured} from './machine';
import {modelChoices} from './choices';
import {ModelCost} from './cost';
import type {StepCost, StepParts} from './stepCost';
import {ModelMemory, type DeviceMemory} from './memory';
import {ranked, reasonOf, type Candidate} from './rank';
import {profileModel, type DescribedModel, type Sizing} from './profile';
import {updateSeconds} from './updateTime';

/** What `plan` is asked. */
export interface PlanOptions {
  /** Samples of one optimizer step. @default 32 */
  batchSize?: number;
  /** How many devices there are, or their ids, as `trainParallel` takes them. @default 2 */
  devices?: number | string[];
  /** What `calibrate` found. @default measured, or remembered */
  machine?: Machine;
  /**
   * The most bytes that a device may hold: a number, or '256MB'. @default its share of the
   * machine's memory
   */
  memoryLimit?: number | string;
  /** Samples of an epoch, for device-seconds. */
  samples?: number;
  /** As the option of `train`. */
  modules?: ModuleReference[];
}

/** What is foretold of a row. */
export interface Prediction {
  /** Samples of the step that is foretold. */
  batchSize: number;
  /** Seconds of a step. */
  stepSeconds: number;
  /** They, by what they go to. */
  parts: StepParts;
  /** Bytes of the fullest device. */
  memory: DeviceMemory;
  /** Whether that is within the limit. */
  fits: boolean;
  /** Of the pipeline's ranks' time the share in which they wait, from 0 to 1. */
  bubble: number;
  /** Bytes that a device sends in a step, along each axis. */
  traffic: StepCost['traffic'];
  /** Devices times seconds of an epoch; null where `samples` was not given. */
  deviceSecondsPerEpoch: number | null;
}

/** A strategy of a plan, which `trainParallel` takes as it is. */
export interface PlannedStrategy
  extends Pick<StrategyFields, 'schedule' | 'stagesPerRank' | 'splitAt'> {
  /** How many of the devices it uses, the first ones. */
  devices: number;
  mesh: Mesh;
  zero: ZeroStage;
  /** Parts of a batch, of each rank's share or of the whole step in a pipeline. */
  microBatches: number;
  recompute: Recompute;
}

/** One way to train, what the planner predicts of it, and its verdict in a sentence. */
export interface PlanRow {
  strategy: PlannedStrategy;
  prediction: Prediction;
  reason: string;
}

/**
 * The sizes of a micro-batch at which the model is measured: alone over the whole batch, and with
 * the other cores at work over its shares.
 */
function sizings(batchSize: number, ids: string[], cores: number): Sizing[] {
  const together = ids.slice(0, Math.max(2, Math.min(ids.length, cores || ids.length)));
  const shares = [...new Set([1, 2, 4, 8].map((parts) => Math.ceil(batchSize / parts)))];
  const alone = [...new Set([batchSize, Math.ceil(batchSize / 4)])].map((samples) => ({
    samples,
    ids: ids.slice(0, 1),
  }));
  return ids.length === 1
    ? alone
    : [...alone, ...shares.map((samples) => ({samples, ids: together}))];
}

function rowOf(
  graph: Graph,
  one: Candidate,
  reason: string,
  {batchSize, samples}: {batchSize: number; samples: number | undefined},
): PlanRow {
  const {
    choice: {mesh, zero, microBatches, recompute, pipeline},
    cost,
    memory,
    fits,
  } = one;
  const epoch =
    samples === undefined ? null : mesh.size * cost.seconds * Math.ceil(samples / batchSize);
  return {
    strategy: {
      devices: mesh.size,
      mesh,
      zero,
      microBatches,
      recompute,
      ...(pipeline && {
        schedule: '1f1b' as const,
        stagesPerRank: 1,
        splitAt: pipeline.cuts.map((cut) => splitPointName(graph, cut)),
      }),
    },
    prediction: {
      batchSize,
      stepSeconds: cost.seconds,
      parts: cost.parts,
      memory,
      fits,
      bubble: cost.bubble,
      traffic: cost.traffic,
      deviceSecondsPerEpoch: epoch,
    },
    reason,
  };
}

const OPTIONS: OptionTable<PlanOptions> = {
  'batchSize?': wholeNumber(1),
  // `chooseDevices` checks it.
  'devices?': anything,
  'machine?': anObject,
  // `parseBytes` checks it.
  'memoryLimit?': anything,
  'samples?': wholeNumber(1),
  'modules?': listOf('URLs, or of {module, export}'),
};

/** What `planModel` is asked, checked. */
export interface PlanRequest {
  batchSize: number;
  ids: string[];
  memoryLimit?: number;
  modules: ModuleReference[];
  machine?: Machine;
  samples?: number;
  /** What was measured before; measured now where it is left out. */
  measured?: Measured;
}

/** As `plan`, for a model that was described already. */
export async function planModel(
  described: DescribedModel,
  {batchSize, ids, memoryLimit, modules, machine: given, samples, measured}: PlanRequest,
): Promise<PlanRow[]> {
  const {model, graph} = described;
  const machine = given ?? measured?.machine ?? (await calibrate({devices: ids}));
  const times =
    measured?.times ??
    (await profileModel(described, sizings(batchSize, ids, machine.cores), modules));
  const update = measured?.updateSeconds ?? updateSeconds(model.optimizer);
  const cost = new ModelCost(model, graph, machine, times, update);
  const memory = new ModelMemory(model);
  const limit = memoryLimit ?? machine.memoryBytes / ids.length;
  const candidates = modelChoices(described, batchSize, ids.length).map((choice): Candidate => {
    const needs = memory.at(choice, batchSize);
    return {choice, cost: cost.at(choice, batchSize), memory: needs, fits: needs.total <= limit};
  });
  const ordered = ranked(candidates);
  return ordered.map((candidate, place) =>
    rowOf(graph, candidate, reasonOf(candidate, place, ordered, limit, ids.length), {
      batchSize,
      samples,
    }),
  );
}

/**
 * Every way to train a compiled `model` on `devices` that makes sense: meshes of all of them or of
 * fewer, stages of ZeRO, micro-batches, recompute. Each row has the strategy, a prediction (seconds
 * of a step, bytes of the fullest device, bytes sent) and a reason in a sentence; the best comes
 * first. `trainParallel(model, data, {strategy: rows[0].strategy})` runs a row. The first time that
 * a model and batch size are asked for, its layers are timed on this machine, in real steps of
 * one-thread workers. Throws BAD_OPTION, BAD_MODEL and DEVICE.
 */
export async function plan(model: tf.LayersModel, options: PlanOptions = {}): Promise<PlanRow[]> {
  return planFrom(undefined, model, options);
}

/** As `plan`, from what was measured before. */
export async function planFrom(
  measured: Measured | undefined,
  model: tf.LayersModel,
  options: PlanOptions = {},
): Promise<PlanRow[]> {
  const {
    batchSize = 32,
    devices = 2,
    memoryLimit,
    machine,
    samples,
    modules = [],
  } = readOptions('plan', options, OPTIONS);
  const ids = chooseDevices(devices).map(({id}) => id);
  const limit = memoryLimit === undefined ? undefined : parseBytes(memoryLimit, 'memoryLimit');
  const description = await describeModel(model, modules);
  return planModel(
    {model, description, graph: readGraph(model)},
    {batchSize, ids, memoryLimit: limit, modules, machine, samples, measured},
  );
}

/** What a table or a chart calls a row. */
export function rowName({strategy}: PlanRow): string {
  const {microBatches, recompute} = strategy;
  const details = [
    ...(microBatches > 1 ? [`${microBatches} micro-batches`] : []),
    ...(recompute === 'none' ? [] : [`recompute '${recompute as string}'`]),
  ];
  return [strategyName(strategy), ...details].join(', ');
}
