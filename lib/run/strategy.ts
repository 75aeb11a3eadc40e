/**
 * Caller side. What `strategy` asks for, as the strategy object that a result shows.
 */
import {ManyHandsError, shown} from '../base/errors';
import type {Strategy} from './options';

/** The strategy object that a run used, and why. */
export interface Plan {
  mesh: {data: number; tensor: number; pipeline: number};
  zero: 0 | 1 | 2 | 3;
  /** Parts of a rank's share of a step, whose gradients are added up before they are sent. */
  microBatches: number;
  reason: string;
}

const LATER = ['tensorParallel', 'pipelineParallel'];
/** The stage of ZeRO that a name stands for. */
const STAGES: Record<string, Plan['zero']> = {auto: 0, dataParallel: 0, zero1: 1, zero2: 2, fsdp: 3};
const NAMES = "'auto', 'dataParallel', 'zero1', 'zero2', 'fsdp'";
const FIELDS = ['kind', 'mesh', 'zero', 'microBatches'];

/** What a device holds at each stage. */
const HOLDS = [
  'holds a copy of the model',
  "holds a copy of the model and its part of the optimizer's state",
  "holds a copy of the model and its part of the gradients and the optimizer's state",
  "holds its part of the model, the gradients and the optimizer's state",
];

function refuse(message: string): never {
  throw new ManyHandsError('BAD_OPTION', message);
}

function dataAxis(mesh: {data?: number; tensor?: number; pipeline?: number}, devices: number): number {
  const {data = 1, tensor = 1, pipeline = 1} = mesh;
  for (const [name, value] of Object.entries({data, tensor, pipeline})) {
    if (!Number.isInteger(value) || (value < 1 && value !== -1)) refuse(`strategy.mesh.${name} must be a whole number from 1, or -1 for what is left over; it is ${shown(value)}.`);
  }
  if (tensor > 1 || pipeline > 1) throw new ManyHandsError('NOT_YET', `strategy.mesh asks for tensor ${tensor} and pipeline ${pipeline}; this version divides the data axis alone: {mesh: {data: ${devices}}}.`);
  const filled = data === -1 ? devices : data;
  if (filled * Math.abs(tensor) * Math.abs(pipeline) !== devices) refuse(`strategy.mesh: data(${data}) x tensor(${tensor}) x pipeline(${pipeline}) is not the number of devices, ${devices}.`);
  return filled;
}

/** Throws `BAD_OPTION`, or `NOT_YET` for the strategies that this version does not have. */
export function choosePlan(strategy: Strategy | undefined, devices: number, microBatches: number | undefined): Plan {
  const asked = strategy ?? 'auto';
  let stage: Plan['zero'] | null = null;
  if (typeof asked === 'string' || 'kind' in asked) {
    const name: string = typeof asked === 'string' ? asked : asked.kind;
    if (LATER.includes(name)) throw new ManyHandsError('NOT_YET', `the strategy '${name}' is not there yet in this version; it has ${NAMES}.`);
    if (!(name in STAGES)) refuse(`strategy must be ${NAMES} or a strategy object; it is ${shown(asked)}.`);
    stage = STAGES[name];
  }
  if (asked === null || (typeof asked !== 'string' && typeof asked !== 'object')) refuse(`strategy must be ${NAMES} or a strategy object; it is ${shown(asked)}.`);
  const object: Record<string, unknown> = typeof asked === 'string' ? {} : {...asked};
  const unknown = Object.keys(object).find((name) => !FIELDS.includes(name) && name !== 'reason');
  if (unknown) refuse(`the strategy object has no field '${unknown}' in this version. It knows: ${FIELDS.join(', ')}.`);
  const given = object.zero as Plan['zero'] | undefined;
  if (given !== undefined && ![0, 1, 2, 3].includes(given)) refuse(`strategy.zero must be 0, 1, 2 or 3; it is ${shown(given)}.`);
  if (given !== undefined && stage !== null && given !== stage) refuse(`strategy names '${object.kind as string}', which is zero ${stage}, and zero: ${given}: give one of them.`);
  const zero = given ?? stage ?? 0;
  const own = object.microBatches as number | undefined;
  if (own !== undefined && (!Number.isInteger(own) || own < 1)) refuse(`strategy.microBatches must be a whole number from 1; it is ${shown(own)}.`);
  if (own !== undefined && microBatches !== undefined && own !== microBatches) refuse(`microBatches is ${microBatches} and strategy.microBatches is ${own}: give it once.`);
  if (object.mesh !== undefined) dataAxis(object.mesh as {data: number}, devices);
  const who = devices === 1 ? 'one device has nothing to divide' : `each of ${devices} devices ${HOLDS[zero]} and sees its share of every batch`;
  const reason = asked === 'auto' ? `'auto' means dataParallel in this version: ${who}.` : `as asked: ${who}.`;
  return {mesh: {data: devices, tensor: 1, pipeline: 1}, zero, microBatches: own ?? microBatches ?? 1, reason};
}
