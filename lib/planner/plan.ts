/**
 * `plan(model, options)` lists the ways to train a model on some devices, with predicted times and
 * memory, best first.
 */
import type * as tf from '@tensorflow/tfjs';
import {refuseData} from '../base/callForm';
import {
  anything,
  checkValue,
  readOptions,
  wholeNumber,
  type Check,
  type OptionTable,
} from '../base/options';
import {parseBytes} from '../base/units';
import {chooseDevices} from '../devices/devices';
import {describeModel, moduleList, type ModuleReference} from '../model/describe';
import type {Mesh} from '../mesh/mesh';
import type {Recompute} from '../model/segments';
import {splitPointName} from '../pipelineParallel/splitPoints';
import {strategyName, type ZeroStage} from '../config/plan';
import type {StrategyFields} from '../config/options';
import {refuseMeasuring} from '../model/fixedSamples';
import {readGraph, type Graph} from '../model/graph';
import {calibrate} from './calibrate';
import {aMachine, type Machine, type Measured} from './machine';
import {modelChoices} from './choices';
import {ModelCost} from './cost';
import type {StepCost, StepParts} from './stepCost';
import {ModelMemory, type DeviceMemory} from './memory';
import {ranked, reasonOf, type Candidate} from './rank';
import {profileModel, type DescribedModel, type Sizing} from './profile';
import {updateSeconds} from './updateTime';

/** The options of `plan`. */
export interface PlanOptions {
  /** The number of samples in one optimizer step. @default 32 */
  batchSize?: number;
  /** The number of devices, or a list of device ids, as in `trainParallel`. @default 2 */
  devices?: number | string[];
  /** The result of `calibrate`. @default a remembered or new calibration */
  machine?: Machine;
  /**
   * The memory limit of each device: a number of bytes, or text such as '256MB'. @default the
   * machine's memory divided by the number of devices
   */
  memoryLimit?: number | string;
  /** The number of samples in an epoch, for `deviceSecondsPerEpoch`. */
  samples?: number;
  /** The same as the option `modules` of `train`. */
  modules?: ModuleReference[];
}

/** What the planner predicts for a row. */
export interface Prediction {
  /** The number of samples in the predicted step. */
  batchSize: number;
  /** Predicted seconds of a step. */
  stepSeconds: number;
  /** How the seconds are divided among compute, communication and the rest. */
  parts: StepParts;
  /** Predicted bytes on the fullest device. */
  memory: DeviceMemory;
  /** Whether the memory is within the limit. */
  fits: boolean;
  /** The share of the ranks' time in which they wait because of the pipeline, from 0 to 1. */
  bubble: number;
  /** Bytes that a device sends in a step, along each axis. */
  traffic: StepCost['traffic'];
  /** The number of devices times the seconds of an epoch; null without the option `samples`. */
  deviceSecondsPerEpoch: number | null;
}

/** A strategy of a plan, which can be passed to `trainParallel`. */
export interface PlannedStrategy
  extends Pick<StrategyFields, 'schedule' | 'stagesPerRank' | 'splitAt'> {
  /** The number of devices to use; the first ones are taken. */
  devices: number;
  mesh: Mesh;
  zero: ZeroStage;
  /** The number of parts of each rank's share of a batch, or of the whole batch in a pipeline. */
  microBatches: number;
  recompute: Recompute;
}

/** One way to train, its prediction, and the planner's verdict in a sentence. */
export interface PlanRow {
  strategy: PlannedStrategy;
  prediction: Prediction;
  reason: string;
}

/**
 * The micro-batch sizes for which the model is measured: large parts of the batch on one device,
 * and the shares of several devices while the other cores are busy too.
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
  candidate: Candidate,
  reason: string,
  {batchSize, samples}: {batchSize: number; samples: number | undefined},
): PlanRow {
  const {
    choice: {mesh, zero, microBatches, recompute, pipeline},
    cost,
    memory,
    fits,
  } = candidate;
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
        splitAt: pipeline.splitPoints.map((point) => splitPointName(graph, point)),
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
  'machine?': aMachine,
  // `parseBytes` checks it.
  'memoryLimit?': anything,
  'samples?': wholeNumber(1),
  'modules?': moduleList,
};

/** The checked options of `planModel`. */
export interface PlanRequest {
  batchSize: number;
  ids: string[];
  memoryLimit?: number;
  modules: ModuleReference[];
  machine?: Machine;
  samples?: number;
  /** Earlier measurements; if left out, the model and the machine are measured now. */
  measured?: Measured;
}

/** The same as `plan`, for a model that is already described. */
export async function planModel(
  described: DescribedModel,
  {batchSize, ids, memoryLimit, modules, machine: calibrated, samples, measured}: PlanRequest,
): Promise<PlanRow[]> {
  const {model, graph} = described;
  refuseMeasuring(graph);
  const machine = calibrated ?? measured?.machine ?? (await calibrate({devices: ids}));
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
 * Lists the sensible ways to train a compiled `model` on `devices`: meshes of all or some of them,
 * stages of ZeRO, micro-batches, recompute. Each row has the strategy, a prediction (seconds of a
 * step, bytes on the fullest device, bytes sent) and a reason in a sentence; the best row comes
 * first. Run a row with `trainParallel(model, data, {strategy: rows[0].strategy})`. The first call
 * for a model and a batch size times the model's layers on this machine, in real steps of
 * one-thread workers. Throws BAD_OPTION, BAD_MODEL and DEVICE.
 */
export async function plan(model: tf.LayersModel, options: PlanOptions = {}): Promise<PlanRow[]> {
  return planFrom(undefined, model, options);
}

/** The same as `plan`, from earlier measurements. */
export async function planFrom(
  measured: Measured | undefined,
  model: tf.LayersModel,
  options: PlanOptions = {},
): Promise<PlanRow[]> {
  refuseData('plan', options, '{batchSize: 32, devices: 2}');
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
  const description = await describeModel(model, modules, 'plan');
  return planModel(
    {model, description, graph: readGraph(model)},
    {batchSize, ids, memoryLimit: limit, modules, machine, samples, measured},
  );
}

const aRow: Check = {
  expected: 'a row of a plan',
  accepts: (value) => typeof (value as Partial<PlanRow> | null)?.strategy === 'object',
};

/** The name of a row in tables and charts. Throws BAD_OPTION for a value that is not a row. */
export function rowName(row: PlanRow): string {
  checkValue('rowName', 'its argument', row, aRow);
  const {strategy} = row;
  const {microBatches, recompute} = strategy;
  const details = [
    ...(microBatches > 1 ? [`${microBatches} micro-batches`] : []),
    ...(recompute === 'none' ? [] : [`recompute '${recompute as string}'`]),
  ];
  return [strategyName(strategy), ...details].join(', ');
}
