/**
 * An optimizer's state, field by field. tfjs's own getWeights and setWeights round Adam's
 * accumulated betas, so that a resumed run would differ from an uninterrupted one.
 */
import * as tf from '@tensorflow/tfjs';
import type {OptimizerState} from './description';
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
    // `c` of sgd and momentum is a copy of the learning rate, which is in the configuration.
    scalars: fields
      .filter(([field, value]) => field !== 'c' && isScalar(value))
      .map(([field]) => ({field})),
  };
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

/** Sets the state of an optimizer of the same class; `values` are in the description's order. */
export function restoreState(
  optimizer: tf.Optimizer,
  state: OptimizerState,
  values: Float32Array[],
): void {
  const fields = optimizerFields(optimizer);
  let next = 0;
  tf.tidy(() => {
    for (const {field, names, shapes} of state.lists) {
      const old = fields[field];
      if (isSlotList(old)) for (const slot of old) slot.variable.dispose();
      fields[field] = names.map((originalName, i) => ({
        originalName,
        variable: tf.variable(tf.tensor(values[next++], shapes[i], 'float32'), false),
      }));
    }
    for (const {field} of state.scalars) {
      const value = tf.scalar(values[next++][0], 'float32');
      const old = fields[field];
      if (old instanceof tf.Variable) old.assign(value);
      else {
        if (isScalar(old)) old.dispose();
        fields[field] = tf.keep(value);
      }
    }
  });
  fields.iterations_ = state.iterations;
}
