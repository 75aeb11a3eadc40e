/**
 * How a rank keeps the weights that it has, and its optimizer's state of them: each
 * whole, or, where a strategy divides them, a run of their elements.
 */
import type * as tf from '@tensorflow/tfjs';
import {tagMemory} from '../memory';
import type {WeightDescription} from '../model/description';
import {assignValues} from '../model/weights';
import type {WeightGradient} from './hooks';

type Values = Float32Array | Int32Array | Uint8Array;

export interface ParameterStorage {
  /** Takes over a weight's values, which are the caller's again afterwards. */
  load(variable: tf.Variable, values: Values, dtype: WeightDescription['dtype']): void;
  /**
   * A weight's values; all ranks that share it call, and the one that answers for it gets them
   * whole.
   */
  read(variable: tf.Variable): Promise<Values>;
  /** What the optimizer keeps its state of, in its order. */
  readonly slots: ReadonlyArray<{name: string; shape: number[]}>;
  /** Takes over one list's state of a weight, into the arrays of all slots. */
  loadState(variable: tf.Variable, values: Float32Array, slots: Float32Array[]): void;
  /** As `give`, of one list's tensors of all slots. */
  readState(variable: tf.Variable, slots: tf.Tensor[]): Promise<Float32Array>;
}

/** Each weight whole; `entries`: those that this rank trains. */
export function replicatedStorage(entries: readonly WeightGradient[]): ParameterStorage {
  const slotOf = (variable: tf.Variable) =>
    entries.findIndex((entry) => entry.variable === variable);
  return {
    load: (variable, values, dtype) => {
      assignValues(variable, values, {dtype, shape: variable.shape});
      tagMemory(variable, 'parameters');
    },
    read: async (variable) => variable.dataSync() as Values,
    slots: entries.map(({name, variable: {shape}}) => ({name, shape})),
    loadState: (variable, values, slots) => slots[slotOf(variable)].set(values),
    readState: async (variable, slots) => slots[slotOf(variable)].dataSync() as Float32Array,
  };
}
