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
import {formatBytes, parseBytes} from '../base/units';
import {chooseDevices} from '../devices/devices';
import {describeModel, type ModuleReference} from '../model/describe';
import {splitPointName} from '../pipelineParallel/splitPoints';
import {planName, type Plan} from '../config/strategy';
import {readGraph, type Graph} from '../model/graph';
import {calibrate} from './calibrate';
import type {Machine} from './machine';
import {modelChoices} from './choices';
import {ModelCost} from './cost';
import type {ModelChoice} from './modelChoice';
import type {StepCost, StepParts} from './stepCost';
import {ModelMemory, type DeviceMemory} from './memory';
import {profileModel, type Sizing} from './profile';
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

/**
 * One way to train: a strategy that `trainParallel` takes as it is, with what is foretold of it.
 */
export interface PlanRow extends Omit<Plan, 'layout'> {
  /** How many of the devices it uses, the first ones. */
  devices: number;
  prediction: Prediction;
}

/** Differences below this are not worth another device, or another division. */
const TOLERANCE = 0.05;

const seconds = (value: number) =>
  value >= 1 ? `${Number(value.toPrecision(3))} s` : `${Number((1000 * value).toPrecision(3))} ms`;

interface Candidate {
  choice: ModelChoice;
  cost: StepCost;
  memory: DeviceMemory;
  fits: boolean;
}

/** How much is divided, the least first: what decides between choices that are alike. */
const complexity = ({choice: {mesh, zero, recompute, microBatches}}: Candidate) => [
  mesh.size,
  Number(mesh.pipeline > 1) + Number(mesh.tensor > 1),
  zero,
  Number(recompute !== 'none'),
  microBatches,
];

function compare(one: readonly number[], other: readonly number[]): number {
  const at = one.findIndex((value, i) => value !== other[i]);
  return at < 0 ? 0 : one[at] - other[at];
}

/**
 * What fits by time, then what does not by memory; at the top, of those that are alike, the
 * plainest.
 */
function ranked(all: readonly Candidate[]): Candidate[] {
  const rest = [...all].sort(
    (a, b) =>
      Number(b.fits) - Number(a.fits) ||
      (a.fits ? a.cost.seconds - b.cost.seconds : a.memory.total - b.memory.total) ||
      compare(complexity(a), complexity(b)),
  );
  const alike = rest.filter(
    ({fits, cost}) => fits && cost.seconds <= (1 + TOLERANCE) * rest[0].cost.seconds,
  );
  if (alike.length === 0) return rest;
  const best = alike.reduce((least, one) =>
    compare(complexity(one), complexity(least)) < 0 ? one : least,
  );
  return [best, ...rest.filter((one) => one !== best)];
}

const WORDS: Record<keyof StepParts, string> = {
  compute: 'compute',
  bubble: "the pipeline's bubble",
  tensor: 'the sums between the parts of layers',
  pipeline: 'messages between stages',
  data: 'gradients and weights between replicas',
  update: 'the update',
  rest: 'input and all that surrounds it',
};

/** The row's verdict, in a sentence. */
function reasonOf(
  one: Candidate,
  place: number,
  all: readonly Candidate[],
  limit: number,
  asked: number,
): string {
  const {
    choice: {mesh, pipeline},
    cost,
    memory,
    fits,
  } = one;
  const [best] = all;
  if (!fits) {
    const {total, ...kinds} = memory;
    const [kind, bytes] = Object.entries(kinds).reduce((most, next) =>
      next[1] > most[1] ? next : most,
    );
    return `does not fit: ${formatBytes(total)} on ${pipeline ? 'the fullest stage' : 'each device'}, of which ${formatBytes(bytes)} ${kind}; the limit is ${formatBytes(limit)}.`;
  }
  if (place === 0) {
    const alone = all.find(
      ({choice}) =>
        choice.mesh.size === 1 && choice.recompute === 'none' && choice.microBatches === 1,
    );
    if (mesh.size === 1)
      return `do not parallelise: the model fits one device, and nothing that ${asked} devices could do is more than ${Math.round(100 * TOLERANCE)} % faster; a step takes ${seconds(cost.seconds)}.`;
    const beside = alone?.fits
      ? `${Number((alone.cost.seconds / cost.seconds).toPrecision(3))} times as fast as one device, which takes ${seconds(alone.cost.seconds)}`
      : 'on one device it does not fit';
    const unused =
      mesh.size < asked
        ? `; ${asked - mesh.size} of ${asked} devices are left unused, since with them a step takes longer`
        : '';
    return `a step takes ${seconds(cost.seconds)}, ${beside}${unused}.`;
  }
  const more = (part: keyof StepParts) => cost.parts[part] - best.cost.parts[part];
  const part = (Object.keys(WORDS) as Array<keyof StepParts>).reduce((most, next) =>
    more(next) > more(most) ? next : most,
  );
  const ratio = cost.seconds / best.cost.seconds;
  return ratio < 1 + TOLERANCE
    ? `as fast as the best, within ${Math.round(100 * TOLERANCE)} %, with more that is divided.`
    : `${Number(ratio.toPrecision(3))} times as long as the best: ${WORDS[part]} takes ${seconds(cost.parts[part])}, there ${seconds(Math.max(0, best.cost.parts[part]))}.`;
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
    mesh,
    zero,
    microBatches,
    recompute,
    ...(pipeline
      ? {
          schedule: '1f1b' as const,
          stagesPerRank: 1,
          splitAt: pipeline.cuts.map((cut) => splitPointName(graph, cut)),
        }
      : {}),
    devices: mesh.size,
    reason,
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

/**
 * Every way to train a compiled `model` on `devices` that makes sense (meshes of all of them or of
 * fewer, stages of ZeRO, micro-batches, recompute), each with what a step would take, what the
 * fullest device would hold and what would be sent, best first, and a verdict in a sentence. A row
 * is a strategy: `trainParallel(model, data, {strategy: rows[0]})`. Layers are timed on this
 * machine, in real steps of one-thread workers, the first time that a model and batch size are
 * asked for. Throws BAD_OPTION, BAD_MODEL and DEVICE.
 */
export async function plan(model: tf.LayersModel, options: PlanOptions = {}): Promise<PlanRow[]> {
  const {
    batchSize = 32,
    devices = 2,
    memoryLimit,
    samples,
    modules = [],
  } = readOptions('plan', options, OPTIONS);
  const ids = chooseDevices(devices).map(({id}) => id);
  // A model that cannot cross is told before a worker starts.
  await describeModel(model, modules);
  const machine = options.machine ?? (await calibrate({devices: ids}));
  const times = await profileModel(model, sizings(batchSize, ids, machine.cores), modules);
  const graph = readGraph(model);
  const cost = new ModelCost(model, graph, machine, times, updateSeconds(model.optimizer));
  const memory = new ModelMemory(model);
  const limit =
    memoryLimit === undefined
      ? machine.memoryBytes / ids.length
      : parseBytes(memoryLimit, 'memoryLimit');
  const tried = modelChoices(model, batchSize, ids.length).map((choice): Candidate => {
    const held = memory.at(choice, batchSize);
    return {choice, cost: cost.at(choice, batchSize), memory: held, fits: held.total <= limit};
  });
  const all = ranked(tried);
  return all.map((one, place) =>
    rowOf(graph, one, reasonOf(one, place, all, limit, ids.length), {batchSize, samples}),
  );
}

/** What a table or a chart calls a row. */
export function rowName(row: PlanRow): string {
  const more = [
    ...(row.microBatches > 1 ? [`${row.microBatches} micro-batches`] : []),
    ...(row.recompute === 'none' ? [] : [`recompute '${row.recompute as string}'`]),
  ];
  return [planName(row), ...more].join(', ');
}
