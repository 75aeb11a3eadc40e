/**
 * How a rank holds weights and their optimizer state: each weight whole, or a
 * contiguous shard of its elements.
 */
import type * as tf from '@tensorflow/tfjs';
import {tagMemory} from '../memory';
import type {WeightDescription} from '../model/description';
import {assignValues} from '../model/weights';
import type {WeightGradient} from './hooks';

type Values = Float32Array | Int32Array | Uint8Array;

export interface ParameterStorage {
  /** Copies values into a weight. */
  load(variable: tf.Variable, values: Values, dtype: WeightDescription['dtype']): void;
  /** Called after the last `load` of a row of them. */
  loaded?(): void;
  /** Whether each weight that this rank holds, and its state, is whole here. */
  readonly isReplicated: boolean;
  /**
   * A weight's values. All ranks that share it call this; the rank that owns it gets all values. A
   * rank that does not own it may get null.
   */
  read(variable: tf.Variable, owns: boolean): Promise<Values | null>;
  /** The variables that the optimizer keeps state for, in its order. */
  readonly slots: ReadonlyArray<{name: string; shape: number[]}>;
  /** Copies one list's state of a weight into the arrays of all slots. */
  loadState(variable: tf.Variable, values: Float32Array, slots: Float32Array[]): void;
  /** Like `read`, for one list's state; `slots`: that list's tensors. */
  readState(variable: tf.Variable, slots: tf.Tensor[], owns: boolean): Promise<Float32Array | null>;
}

/** Holds each weight whole. `entries`: the weights that this rank trains. */
export function replicatedStorage(entries: readonly WeightGradient[]): ParameterStorage {
  const slotOf = (variable: tf.Variable) =>
    entries.findIndex((entry) => entry.variable === variable);
  return {
    isReplicated: true,
    load: (variable, values, dtype) => {
      assignValues(variable, values, {dtype, shape: variable.shape});
      tagMemory(variable, 'parameters');
    },
    read: async (variable, owns) => (owns ? (variable.dataSync() as Values) : null),
    slots: entries.map(({name, variable: {shape}}) => ({name, shape})),
    loadState: (variable, values, slots) => slots[slotOf(variable)].set(values),
    readState: async (variable, slots, owns) =>
      owns ? (slots[slotOf(variable)].dataSync() as Float32Array) : null,
  };
}
