/**
 * An optimizer's state, field by field. tfjs's own getWeights and setWeights round Adam's
 * accumulated betas, so that a resumed run would differ from an uninterrupted one.
 */
import * as tf from '@tensorflow/tfjs';
import type {OptimizerFields, OptimizerState} from './description';
import {optimizerFields} from './tfjsInternals';

interface Slot {
  originalName: string;
  variable: tf.Variable;
}

function isSlotList(value: unknown): value is Slot[] {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    (value[0] as Partial<Slot> | null)?.variable instanceof tf.Tensor
  );
}

function isScalar(value: unknown): value is tf.Tensor {
  return value instanceof tf.Tensor && value.rank === 0;
}

function iterationsOf(optimizer: tf.Optimizer): number {
  return (optimizerFields(optimizer).iterations_ as number | undefined) ?? 0;
}

/** The optimizer's numbers and flags; its counter of steps is `iterations`. */
export function plainFields(optimizer: tf.Optimizer): OptimizerFields {
  const plain = Object.entries(optimizerFields(optimizer)).filter(
    ([field, value]) =>
      field !== 'iterations_' && (typeof value === 'number' || typeof value === 'boolean'),
  );
  return Object.fromEntries(plain) as OptimizerFields;
}

/** The optimizer's scalar tensors by field, such as Adam's powers of beta. */
export function scalarFields(optimizer: tf.Optimizer): Array<[field: string, scalar: tf.Tensor]> {
  return Object.entries(optimizerFields(optimizer)).filter((entry): entry is [string, tf.Tensor] =>
    isScalar(entry[1]),
  );
}

/** Sets a scalar tensor of the optimizer. */
function setScalar(optimizer: tf.Optimizer, field: string, value: number): void {
  const fields = optimizerFields(optimizer);
  const old = fields[field];
  if (old instanceof tf.Tensor && Object.is(old.dataSync()[0], Math.fround(value))) return;
  if (old instanceof tf.Variable) tf.tidy(() => old.assign(tf.scalar(value, 'float32')));
  else {
    // A kept scalar belongs to the optimizer, which disposes of the one that it finds.
    if (old instanceof tf.Tensor) old.dispose();
    fields[field] = tf.tidy(() => tf.keep(tf.scalar(value, 'float32')));
  }
}

/** Settings of an optimizer: plain fields, and scalar tensors by their values. */
export interface OptimizerSettings {
  fields: OptimizerFields;
  scalars: Record<string, number>;
}

export function applySettings(optimizer: tf.Optimizer, {fields, scalars}: OptimizerSettings): void {
  Object.assign(optimizerFields(optimizer), fields);
  for (const [field, value] of Object.entries(scalars)) setScalar(optimizer, field, value);
}

export function describeState(optimizer: tf.Optimizer): OptimizerState {
  const fields = Object.entries(optimizerFields(optimizer));
  return {
    iterations: iterationsOf(optimizer),
    lists: fields
      .filter(([, value]) => isSlotList(value))
      .map(([field, value]) => ({
        field,
        names: (value as Slot[]).map((slot) => slot.originalName),
        shapes: (value as Slot[]).map((slot) => slot.variable.shape),
      })),
    scalars: scalarFields(optimizer).map(([field]) => ({field})),
    fields: plainFields(optimizer),
  };
}

/**
 * The state without `c`, tfjs's copy of the learning rate: it comes with the optimizer, so it does
 * not count as memory of its state.
 */
export function withoutRate(state: OptimizerState): OptimizerState {
  return {...state, scalars: state.scalars.filter(({field}) => field !== 'c')};
}

/** The lists of state that `optimizer` keeps a variable; the first update fills them. */
export function slotLists(optimizer: tf.Optimizer): Array<Array<Slot | undefined>> {
  return Object.values(optimizerFields(optimizer)).filter(Array.isArray) as Slot[][];
}

/**
 * The state's tensors in the description's order: lists, then scalars. The optimizer keeps them.
 */
export function stateTensors(optimizer: tf.Optimizer, state: OptimizerState): tf.Tensor[] {
  const fields = optimizerFields(optimizer);
  return [
    ...state.lists.flatMap(({field}) => (fields[field] as Slot[]).map((slot) => slot.variable)),
    ...state.scalars.map(({field}) => fields[field] as tf.Tensor),
  ];
}

/** The shapes of `stateTensors`, from the description alone. */
export function stateShapes(state: OptimizerState): number[][] {
  return [...state.lists.flatMap(({shapes}) => shapes), ...state.scalars.map(() => [])];
}

/**
 * Sets the state of an optimizer of the same class; `values` are in the description's order. Lists
 * that the description does not name become empty.
 */
export function restoreState(
  optimizer: tf.Optimizer,
  state: OptimizerState,
  values: Float32Array[],
): void {
  const fields = optimizerFields(optimizer);
  const {lists, scalars} = state;
  const kept = new Set(lists.map(({field}) => field));
  let next = 0;
  for (const [field, old] of Object.entries(fields))
    if (isSlotList(old) && !kept.has(field)) fields[field] = disposed(old);
  for (const {field, names, shapes} of lists) {
    const tensors = shapes.map((shape) => tf.tensor(values[next++], shape, 'float32'));
    const old = isSlotList(fields[field]) ? (fields[field] as Slot[]) : [];
    const fits =
      old.length === names.length &&
      old.every(({variable: {shape}}, i) => String(shape) === String(shapes[i]));
    // A callback may hold a variable of the list, so the variables stay the same.
    if (fits) for (const [i, {variable}] of old.entries()) variable.assign(tensors[i] as tf.Tensor);
    else
      fields[field] = disposed(old).concat(
        names.map((originalName, i) => ({originalName, variable: tf.variable(tensors[i], false)})),
      );
    tf.dispose(tensors);
  }
  for (const {field} of scalars) setScalar(optimizer, field, values[next++][0]);
  Object.assign(fields, state.fields, {iterations_: state.iterations});
}

/** Disposes of a list's variables; returns an empty list. */
function disposed(list: Slot[]): Slot[] {
  for (const slot of list) slot?.variable.dispose();
  return [];
}
