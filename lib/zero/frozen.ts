/**
 * Weights that are frozen during a run, in shards that hold other weights too. tfjs skips a frozen
 * weight's update, and its optimizer state stays as it is. An optimizer works element by element,
 * so it may update the whole shard, after which the frozen elements are restored.
 */
import * as tf from '@tensorflow/tfjs';
import {tagMemory} from '../memory';
import {slotLists} from '../model/optimizerState';
import {overlap, type Shard} from './shard';

/** Whether every weight of the shard's unit is frozen. */
export function isFrozen({unit}: Shard): boolean {
  return unit.slices.every(({entry}) => !entry.variable.trainable);
}

/** The optimizer's state of its variable number `index`: one variable for each of its lists. */
export function stateOf(optimizer: tf.Optimizer, index: number): tf.Variable[] {
  return slotLists(optimizer).flatMap((list) => {
    const slot = list[index];
    return slot ? [slot.variable] : [];
  });
}

/**
 * Saves the frozen elements of a shard's weights and of its optimizer `state`. The caller must call
 * the returned function after the update, which restores them.
 */
export function rememberFrozen(shard: Shard, state: readonly tf.Variable[]): () => void {
  const ranges = shard.unit.slices
    .filter(({entry}) => !entry.variable.trainable)
    .map((slice) => overlap(shard, slice))
    .filter(({from, to}) => from < to)
    .map(({from, to}) => ({from: from - shard.start, to: to - shard.start}));
  if (ranges.length === 0) return () => {};
  const cut = (values: Float32Array) => ranges.map(({from, to}) => values.slice(from, to));
  const weights = cut(shard.weights);
  const slots = state.map((variable) => cut(variable.dataSync() as Float32Array));
  return () => {
    ranges.forEach(({from}, r) => shard.weights.set(weights[r], from));
    state.forEach((variable, s) => {
      const values = variable.dataSync().slice() as Float32Array;
      ranges.forEach(({from}, r) => values.set(slots[s][r], from));
      tf.tidy(() => variable.assign(tf.tensor(values, variable.shape, 'float32')));
      tagMemory(variable, 'optimizer');
    });
  };
}
