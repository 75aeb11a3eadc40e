/**
 * Reads the option `strategy`: a name or an object becomes a request with every field checked.
 * What depends on the model is resolved later (`placement/resolveDivision.ts`).
 */
import {oneOf, shown} from '../base/errors';
import {refuseOption, successorOf} from '../base/options';
import {AXES, Mesh, type Axis, type MeshSizes} from '../mesh/mesh';
import type {Recompute} from '../model/segments';
import {BALANCES, type Balance} from '../pipelineParallel/balance';
import type {Schedule} from '../pipelineParallel/schedule';
import type {ScheduleName} from '../pipelineParallel/namedSchedules';
import type {Layout} from '../tensorParallel/layout';
import type {Strategy, StrategyFields} from './options';
import type {ZeroStage} from './plan';

/** The axis on which a named strategy puts all devices, and its stage of ZeRO. */
interface Kind {
  axis: Axis;
  zero: ZeroStage;
}

const KINDS: Record<string, Kind> = {
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
const PIPELINE_FIELDS = ['schedule', 'stagesPerRank', 'splitAt', 'balance'] as const;
const TENSOR_FIELDS = ['layout', 'sequenceParallel'] as const;
const FIELDS: readonly string[] = [
  ...['kind', 'mesh', 'devices', 'zero', 'microBatches', 'recompute'],
  ...TENSOR_FIELDS,
  ...PIPELINE_FIELDS,
];

/** A requested strategy with a complete mesh. */
export interface StrategyRequest {
  mesh: Mesh;
  zero: ZeroStage;
  /** Undefined if neither the options nor the strategy give the number. */
  microBatches: number | undefined;
  recompute: Recompute;
  schedule: ScheduleName | Schedule | undefined;
  stagesPerRank: number | undefined;
  splitAt: string[] | undefined;
  balance: Balance | undefined;
  layout: Layout | undefined;
  sequenceParallel: boolean;
}

/** The devices, and the options that a strategy may contain too. */
export interface StrategyContext {
  /** The number of devices. */
  devices: number;
  microBatches?: number;
  recompute?: Recompute;
}

type Fields = StrategyFields & {kind?: string; mesh?: Partial<MeshSizes>; zero?: ZeroStage};

function readFields(strategy: Strategy): {fields: Fields; kind: Kind | null} {
  const isObject = strategy !== null && typeof strategy === 'object';
  const fields: Fields = isObject ? {...strategy} : {};
  const unknown = Object.keys(fields).find((name) => !FIELDS.includes(name));
  const successor = unknown === undefined ? undefined : successorOf(unknown);
  if (successor !== undefined && FIELDS.includes(successor))
    refuseOption(`the strategy object has no field '${unknown}'. It is called ${successor} now.`);
  if (unknown !== undefined)
    refuseOption(
      `the strategy object has no field '${unknown}' in this version. It knows: ${FIELDS.join(', ')}.`,
    );
  if (isObject && !('kind' in fields)) return {fields, kind: null};
  const name = isObject ? fields.kind : strategy;
  if (typeof name !== 'string' || !(name in KINDS))
    refuseOption(`strategy must be ${NAMES} or a strategy object; it is ${shown(strategy)}.`);
  return {fields, kind: KINDS[name]};
}

function readMesh(mesh: Partial<MeshSizes>, devices: number): Mesh {
  if (typeof mesh !== 'object' || mesh === null)
    refuseOption(`strategy.mesh must be an object with ${AXES.join(', ')}; it is ${shown(mesh)}.`);
  const unknown = Object.keys(mesh).find((name) => !AXES.includes(name as Axis));
  if (unknown)
    refuseOption(`strategy.mesh has no axis '${unknown}'. It knows: ${AXES.join(', ')}.`);
  const {data = 1, tensor = 1, pipeline = 1} = mesh;
  const sizes: MeshSizes = {data, tensor, pipeline};
  for (const [name, value] of Object.entries(sizes)) {
    if (!Number.isInteger(value) || (value < 1 && value !== -1))
      refuseOption(
        `strategy.mesh.${name} must be a whole number from 1, or -1 for what is left over; it is ${shown(value)}.`,
      );
  }
  const open = AXES.filter((axis) => sizes[axis] === -1);
  if (open.length > 1)
    refuseOption(
      `strategy.mesh leaves ${open.join(' and ')} open (-1); one of them can take what is left over.`,
    );
  if (open.length === 1)
    sizes[open[0]] = devices / AXES.reduce((product, axis) => product * Math.abs(sizes[axis]), 1);
  if (data === 1 && tensor === 1 && pipeline === 1) sizes.data = devices;
  if (
    AXES.some((axis) => !Number.isInteger(sizes[axis])) ||
    sizes.data * sizes.tensor * sizes.pipeline !== devices
  ) {
    refuseOption(
      `strategy.mesh: data(${data}) x tensor(${tensor}) x pipeline(${pipeline}) is not the number of devices, ${devices}.`,
    );
  }
  return new Mesh(sizes);
}

function readDevices(count: number | undefined, devices: number): number {
  if (count === undefined) return devices;
  if (!Number.isInteger(count) || count < 1 || count > devices)
    refuseOption(
      `strategy.devices must be a whole number from 1 to ${devices}, the number of devices; it is ${shown(count)}.`,
    );
  return count;
}

/** The value of a field that the options may have too; if both have it, the values must agree. */
function once<T>(name: string, inStrategy: T | undefined, inOptions: T | undefined): T | undefined {
  const inBoth = inStrategy !== undefined && inOptions !== undefined;
  if (inBoth && JSON.stringify(inStrategy) !== JSON.stringify(inOptions))
    refuseOption(
      `${name} is ${shown(inOptions)} and strategy.${name} is ${shown(inStrategy)}: give it once.`,
    );
  return inStrategy ?? inOptions;
}

function readZero({zero, kind: name}: Fields, kind: Kind | null, mesh: Mesh): ZeroStage {
  if (zero !== undefined && ![0, 1, 2, 3].includes(zero))
    refuseOption(`strategy.zero must be 0, 1, 2 or 3; it is ${shown(zero)}.`);
  if (zero !== undefined && kind !== null && zero !== kind.zero)
    refuseOption(
      `strategy names '${name}', which is zero ${kind.zero}, and zero: ${zero}: give one of them.`,
    );
  if (zero && mesh.data === 1)
    refuseOption(
      `strategy.zero: ${zero} divides work along the data axis, and the mesh has only one rank there: leave it out.`,
    );
  return zero ?? kind?.zero ?? 0;
}

/** Refuses fields of an axis that the strategy does not have. */
function checkAxes(fields: Fields, mesh: Mesh, kind: Kind | null, recompute: Recompute): void {
  const hasTensor = mesh.tensor > 1 || kind?.axis === 'tensor';
  const hasPipeline = mesh.pipeline > 1 || kind?.axis === 'pipeline';
  const tensorField = TENSOR_FIELDS.find((name) => fields[name] !== undefined);
  if (tensorField && !hasTensor)
    refuseOption(
      `strategy.${tensorField} belongs to tensor parallelism: name kind: 'tensorParallel', or a mesh with tensor.`,
    );
  const pipelineField = PIPELINE_FIELDS.find((name) => fields[name] !== undefined);
  if (pipelineField && !hasPipeline)
    refuseOption(
      `strategy.${pipelineField} belongs to pipelines: name kind: 'pipelineParallel', or a mesh with pipeline.`,
    );
  if (recompute === 'stage' && !hasPipeline)
    refuseOption(
      "recompute: 'stage' computes a pipeline's stage again; without a pipeline take 'block', or name blocks or layers.",
    );
}

function checkFields({microBatches, sequenceParallel = false, splitAt, balance}: Fields): void {
  if (microBatches !== undefined && (!Number.isInteger(microBatches) || microBatches < 1))
    refuseOption(
      `strategy.microBatches must be a whole number from 1; it is ${shown(microBatches)}.`,
    );
  if (typeof sequenceParallel !== 'boolean')
    refuseOption(
      `strategy.sequenceParallel must be true or false; it is ${shown(sequenceParallel)}.`,
    );
  if (balance !== undefined && !BALANCES.includes(balance))
    refuseOption(`strategy.balance must be ${oneOf(BALANCES)}; it is ${shown(balance)}.`);
  if (splitAt === undefined) return;
  if (balance !== undefined)
    refuseOption(
      'strategy.splitAt says where to split and strategy.balance how to choose: give one of them.',
    );
  if (!Array.isArray(splitAt) || !splitAt.every((name) => typeof name === 'string'))
    refuseOption(
      `strategy.splitAt must be a list of the names of blocks or layers; it is ${shown(splitAt)}.`,
    );
}

/**
 * Returns the strategy as a checked request. `context` has the devices and the options that a
 * strategy may contain too. Throws BAD_OPTION.
 */
export function readStrategy(strategy: Strategy, context: StrategyContext): StrategyRequest {
  const {fields, kind} = readFields(strategy);
  const devices = readDevices(fields.devices, context.devices);
  const mesh =
    fields.mesh !== undefined
      ? readMesh(fields.mesh, devices)
      : new Mesh({data: 1, tensor: 1, pipeline: 1, [kind?.axis ?? 'data']: devices});
  if (kind && devices > 1 && mesh[kind.axis] !== devices)
    refuseOption(
      `strategy names '${fields.kind}' and a mesh with ${kind.axis} ${mesh[kind.axis]}: give one of them.`,
    );
  checkFields(fields);
  const recompute = once('recompute', fields.recompute, context.recompute) ?? 'none';
  const zero = readZero(fields, kind, mesh);
  checkAxes(fields, mesh, kind, recompute);
  return {
    mesh,
    zero,
    recompute,
    microBatches: once('microBatches', fields.microBatches, context.microBatches),
    schedule: fields.schedule,
    stagesPerRank: fields.stagesPerRank,
    splitAt: fields.splitAt,
    balance: fields.balance,
    layout: fields.layout,
    sequenceParallel: fields.sequenceParallel ?? false,
  };
}
