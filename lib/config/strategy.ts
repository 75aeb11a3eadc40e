/**
 * What `strategy` asks for, as the strategy object that a result shows.
 */
import {ManyHandsError, shown} from '../base/errors';
import {Mesh, type Axis, type MeshSizes} from '../mesh/mesh';
import {stagesPerRankOf, microBatchesOf, type Schedule} from '../pipelineParallel/schedule';
import {
  defaultStagesPerRank,
  pipelineSchedule,
  type ScheduleName,
} from '../pipelineParallel/namedSchedules';
import type {Recompute} from '../model/segments';
import type {Rules} from '../tensorParallel/layout';
import type {Strategy} from './options';
import {HOLDS, SHARDED} from '../zero/stageText';

/** The strategy object that a run used, and why. */
export interface Plan {
  /** How many ranks each axis has; `String(mesh)` draws them. */
  mesh: Mesh;
  zero: 0 | 1 | 2 | 3;
  /**
   * Parts of a rank's share of a step, whose gradients are added up before they are sent; in a
   * pipeline, of the whole step.
   */
  microBatches: number;
  recompute: Recompute;
  /** Of a pipeline. */
  schedule?: ScheduleName | Schedule;
  /** Stages a rank of a pipeline. */
  stagesPerRank?: number;
  /** The blocks or layers with which a pipeline's later stages begin. */
  splitAt?: string[];
  /** Of tensor parallelism, the rule of each layer that is divided. */
  layout?: Rules;
  /** Of tensor parallelism: whether a rank keeps its own positions between the divided layers. */
  sequenceParallel?: boolean;
  /** What this costs that is easily overlooked; the run says it on stderr. */
  warning?: string;
  reason: string;
}

const AXES: readonly Axis[] = ['data', 'tensor', 'pipeline'];
/** What a name stands for: the axis that all devices go to, and the stage of ZeRO. */
const KINDS: Record<string, {axis: Axis; zero: Plan['zero']}> = {
  auto: {axis: 'data', zero: 0},
  dataParallel: {axis: 'data', zero: 0},
  zero1: {axis: 'data', zero: 1},
  zero2: {axis: 'data', zero: 2},
  fsdp: {axis: 'data', zero: 3},
  tensorParallel: {axis: 'tensor', zero: 0},
  pipelineParallel: {axis: 'pipeline', zero: 0},
};
const NAMES =
  "'auto', 'dataParallel', 'zero1', 'zero2', 'fsdp', 'tensorParallel', 'pipelineParallel'";
const OF_PIPELINES = ['schedule', 'stagesPerRank', 'splitAt', 'balance'];
const OF_TENSORS = ['layout', 'sequenceParallel'];
/** What a row of `plan` says beside its strategy. */
const OF_ROWS = ['warning', 'reason', 'devices', 'prediction'];
const FIELDS = [
  'kind',
  'mesh',
  'zero',
  'microBatches',
  'recompute',
  ...OF_TENSORS,
  ...OF_PIPELINES,
];

function refuse(message: string): never {
  throw new ManyHandsError('BAD_OPTION', message);
}

function readMesh(mesh: Partial<MeshSizes>, devices: number): Mesh {
  const unknown = Object.keys(mesh).find((name) => !AXES.includes(name as Axis));
  if (unknown) refuse(`strategy.mesh has no axis '${unknown}'. It knows: ${AXES.join(', ')}.`);
  const {data = 1, tensor = 1, pipeline = 1} = mesh;
  const found: MeshSizes = {data, tensor, pipeline};
  for (const [name, value] of Object.entries(found)) {
    if (!Number.isInteger(value) || (value < 1 && value !== -1))
      refuse(
        `strategy.mesh.${name} must be a whole number from 1, or -1 for what is left over; it is ${shown(value)}.`,
      );
  }
  const open = AXES.filter((axis) => found[axis] === -1);
  if (open.length > 1)
    refuse(
      `strategy.mesh leaves ${open.join(' and ')} open (-1); one of them can take what is left over.`,
    );
  if (open.length === 1)
    found[open[0]] = devices / AXES.reduce((product, axis) => product * Math.abs(found[axis]), 1);
  if (data === 1 && tensor === 1 && pipeline === 1) found.data = devices;
  if (
    AXES.some((axis) => !Number.isInteger(found[axis])) ||
    found.data * found.tensor * found.pipeline !== devices
  ) {
    refuse(
      `strategy.mesh: data(${data}) x tensor(${tensor}) x pipeline(${pipeline}) is not the number of devices, ${devices}.`,
    );
  }
  return new Mesh(found);
}

interface Asked {
  object: Record<string, unknown>;
  kind: {axis: Axis; zero: Plan['zero']} | null;
}

function read(asked: Strategy): Asked {
  if (asked === null || (typeof asked !== 'string' && typeof asked !== 'object'))
    refuse(`strategy must be ${NAMES} or a strategy object; it is ${shown(asked)}.`);
  const object: Record<string, unknown> = typeof asked === 'string' ? {} : {...asked};
  const unknown = Object.keys(object).find(
    (name) => !FIELDS.includes(name) && !OF_ROWS.includes(name),
  );
  if (unknown)
    refuse(
      `the strategy object has no field '${unknown}' in this version. It knows: ${FIELDS.join(', ')}.`,
    );
  if (typeof asked !== 'string' && !('kind' in asked)) return {object, kind: null};
  const name = typeof asked === 'string' ? asked : (asked as {kind: string}).kind;
  if (!(name in KINDS))
    refuse(`strategy must be ${NAMES} or a strategy object; it is ${shown(asked)}.`);
  return {object, kind: KINDS[name]};
}

/** What is asked for in the options and in the strategy, once or twice alike. */
function once<T>(name: string, own: T | undefined, given: T | undefined): T | undefined {
  if (own !== undefined && given !== undefined && JSON.stringify(own) !== JSON.stringify(given))
    refuse(`${name} is ${shown(given)} and strategy.${name} is ${shown(own)}: give it once.`);
  return own ?? given;
}

function chooseZero(
  object: Record<string, unknown>,
  kind: Asked['kind'],
  mesh: Mesh,
): Plan['zero'] {
  const given = object.zero as Plan['zero'] | undefined;
  if (given !== undefined && ![0, 1, 2, 3].includes(given))
    refuse(`strategy.zero must be 0, 1, 2 or 3; it is ${shown(given)}.`);
  if (given !== undefined && kind !== null && given !== kind.zero)
    refuse(
      `strategy names '${object.kind as string}', which is zero ${kind.zero}, and zero: ${given}: give one of them.`,
    );
  if (given && mesh.data === 1)
    refuse(
      `strategy.zero: ${given} divides the data axis, of which the mesh has one: leave it out.`,
    );
  return given ?? kind?.zero ?? 0;
}

/**
 * Micro-batches enough to make the bubble small: four times the ranks (Huang et al. 2019, "GPipe",
 * section 3), as far as the batch has samples.
 */
function fillingMicroBatches(schedule: ScheduleName, ranks: number, batchSize: number): number {
  if (schedule === 'naive') return 1;
  return Math.max(
    schedule === 'interleaved-1f1b' ? ranks : 1,
    Math.min(4 * ranks, batchSize - (batchSize % ranks) || 1),
  );
}

/** A pipeline's fields. */
function choosePipeline(
  object: Record<string, unknown>,
  ranks: number,
  asked: number | undefined,
  batchSize: number,
): Pick<Plan, 'schedule' | 'stagesPerRank' | 'microBatches'> & {note: string} {
  const schedule = (object.schedule ?? '1f1b') as ScheduleName | Schedule;
  const stagesPerRank = object.stagesPerRank as number | undefined;
  if (typeof schedule === 'object' && schedule !== null) {
    if (!Array.isArray(schedule.actions) || schedule.actions.length !== ranks)
      refuse(
        `strategy.schedule has a list of actions for ${shown(schedule.actions?.length)} ranks; the pipeline has ${ranks}.`,
      );
    const own = {microBatches: microBatchesOf(schedule), stagesPerRank: stagesPerRankOf(schedule)};
    once('microBatches', own.microBatches, asked);
    once('stagesPerRank', own.stagesPerRank, stagesPerRank);
    return {
      schedule,
      ...own,
      note: `the schedule '${schedule.name}' takes ${own.microBatches} micro-batches through`,
    };
  }
  const microBatches = asked ?? fillingMicroBatches(schedule, ranks, batchSize);
  // Says what is wrong with any of them.
  pipelineSchedule(schedule, {ranks, microBatches, stagesPerRank});
  return {
    schedule,
    stagesPerRank: stagesPerRank ?? defaultStagesPerRank(schedule),
    microBatches,
    note: `${microBatches} micro-batches${asked === undefined ? ' (chosen)' : ''} go by the schedule '${schedule}' through`,
  };
}

/**
 * What ZeRO asks of the schedule beside it, and what it costs there, in a sentence; null where it
 * costs nothing. Throws BAD_OPTION.
 */
function zeroInPipeline(
  zero: Plan['zero'],
  {schedule, microBatches}: Pick<Plan, 'schedule' | 'microBatches'>,
): string | null {
  if (zero < 2) return null;
  const actions = typeof schedule === 'object' ? schedule.actions.flat() : [];
  if (schedule === 'zero-bubble' || actions.some(({do: kind}) => kind === 'backwardInput')) {
    refuse(
      `strategy.zero: ${zero} gives gradients away after each backward, and the schedule '${planSchedule(schedule)}' makes those of the weights later: take zero 0 or 1, or '1f1b'.`,
    );
  }
  if (microBatches === 1) return null;
  const gathers = zero === 3 ? `, and weights are gathered ${2 * microBatches} times` : '';
  return `Mind the extra traffic: with zero ${zero} gradients are reduced in each of ${microBatches} micro-batches, and not once a step${gathers}; zero 1 sends a ${microBatches === 2 ? 'half' : `${microBatches}th`} of them.`;
}

const planSchedule = (schedule: Plan['schedule']) =>
  typeof schedule === 'object' ? schedule.name : schedule;

/**
 * The schedule's and the mesh's share of the reason, a clause an axis of which there are several.
 */
function clauses(
  mesh: Mesh,
  zero: Plan['zero'],
  note: string,
  stagesPerRank: number,
  sequenceParallel: boolean,
): string {
  const {data, tensor, pipeline, size} = mesh;
  if (size === 1) return 'one device has nothing to divide';
  const alone = tensor === size;
  const between = sequenceParallel
    ? `, and between the divided layers its own positions of ${alone ? 'each' : 'every sample'}`
    : '';
  const found = [];
  if (pipeline > 1)
    found.push(`the model is cut into ${pipeline * stagesPerRank} stages, and ${note} all of them`);
  if (tensor > 1)
    found.push(
      `each of ${tensor} devices has a part of the large weights${alone ? ' and sees every sample' : ''}${between}`,
    );
  if (data > 1)
    found.push(
      data === size
        ? `each of ${data} devices ${HOLDS[zero]} and sees its share of every batch`
        : `each of ${data} replicas of this sees its share of every batch${zero > 0 ? `, and shards ${SHARDED[zero]} with the others` : ''}`,
    );
  return found.join('; ');
}

/** `options`: what fit's options say of the same things. Throws `BAD_OPTION`. */
export function choosePlan(
  strategy: Strategy | undefined,
  devices: number,
  options: {microBatches?: number; recompute?: Recompute; batchSize: number},
): Plan {
  const asked = strategy ?? 'auto';
  const {object, kind} = read(asked);
  const mesh =
    object.mesh !== undefined
      ? readMesh(object.mesh as Partial<MeshSizes>, devices)
      : new Mesh({data: 1, tensor: 1, pipeline: 1, [kind?.axis ?? 'data']: devices});
  if (kind && devices > 1 && mesh[kind.axis] !== devices)
    refuse(
      `strategy names '${object.kind as string}' and a mesh with ${kind.axis} ${mesh[kind.axis]}: give one of them.`,
    );
  const own = object.microBatches as number | undefined;
  if (own !== undefined && (!Number.isInteger(own) || own < 1))
    refuse(`strategy.microBatches must be a whole number from 1; it is ${shown(own)}.`);
  const microBatches = once('microBatches', own, options.microBatches);
  const recompute =
    once('recompute', object.recompute as Recompute | undefined, options.recompute) ?? 'none';
  const zero = chooseZero(object, kind, mesh);
  const layered = mesh.tensor > 1 || kind?.axis === 'tensor';
  const ofTensors = OF_TENSORS.find((name) => object[name] !== undefined);
  if (ofTensors && !layered)
    refuse(
      `strategy.${ofTensors} is of tensor parallelism: name kind: 'tensorParallel', or a mesh with tensor.`,
    );
  const {sequenceParallel = false} = object as {sequenceParallel?: boolean};
  if (typeof sequenceParallel !== 'boolean')
    refuse(`strategy.sequenceParallel must be true or false; it is ${shown(sequenceParallel)}.`);
  const piped = mesh.pipeline > 1 || kind?.axis === 'pipeline';
  const strange = OF_PIPELINES.find((name) => object[name] !== undefined);
  if (strange && !piped)
    refuse(
      `strategy.${strange} is of pipelines: name kind: 'pipelineParallel', or a mesh with pipeline.`,
    );
  if (recompute === 'stage' && !piped)
    refuse(
      "recompute: 'stage' computes a pipeline's stage again; without a pipeline take 'block', or name blocks or layers.",
    );
  const pipeline =
    mesh.pipeline > 1
      ? choosePipeline(
          object,
          mesh.pipeline,
          microBatches,
          Math.max(1, Math.floor(options.batchSize / mesh.data)),
        )
      : null;
  const {note = '', ...fields} = pipeline ?? {microBatches: microBatches ?? 1};
  const warning = pipeline && zeroInPipeline(zero, fields);
  const words = asked === 'auto' ? "'auto', with nothing to choose between" : 'as asked';
  const planned = typeof object.reason === 'string' ? ` The plan says: ${object.reason}` : '';
  return {
    mesh,
    zero,
    recompute,
    ...fields,
    ...(sequenceParallel && mesh.tensor > 1 ? {sequenceParallel} : {}),
    ...(warning ? {warning} : {}),
    reason: `${words}: ${clauses(mesh, zero, note, pipeline?.stagesPerRank ?? 1, sequenceParallel)}.${warning ? ` ${warning}` : ''}${planned}`,
  };
}

/** What a chart calls the strategy of a run. */
export function planName({mesh, zero, schedule}: Plan): string {
  const several = AXES.filter((axis) => mesh[axis] > 1);
  const data = ['dataParallel', 'zero1', 'zero2', 'fsdp'][zero];
  if (several.length === 0) return 'one device';
  const names = {
    data,
    tensor: 'tensorParallel',
    pipeline: `pipelineParallel, ${planSchedule(schedule)}`,
  };
  if (several.length === 1) return names[several[0]];
  return (
    several
      .map((axis) => `${axis} ${mesh[axis]}${axis === 'data' && zero > 0 ? ` (${data})` : ''}`)
      .join(' x ') + (mesh.pipeline > 1 ? `, ${planSchedule(schedule)}` : '')
  );
}
