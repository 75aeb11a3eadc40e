/**
 * What a rank of ZeRO stores: its shard of each unit's optimizer state, and either all weights
 * (stages 1 and 2) or its shard of them (stage 3).
 */
import type * as tf from '@tensorflow/tfjs';
import type {Communicator} from '../collectives/types';
import {replicatedStorage, type ParameterStorage} from '../step/parameterStorage';
import {overlap} from './shard';
import type {Shards} from './shards';
import type {Unit, UnitSlice} from './units';

/**
 * The storage of the ranks of `comm`, which divide the units. `fullSlice` finds a weight if every
 * rank holds all weights; it is null in stage 3. `loaded` is called after weights were loaded.
 */
export function shardedStorage(
  comm: Communicator,
  units: readonly Unit[],
  shards: Shards,
  fullSlice: ((unit: Unit, slice: UnitSlice) => Float32Array) | null,
  loaded: () => void,
): ParameterStorage {
  const sliceOf = new Map(
    units.flatMap((unit) =>
      unit.slices.map((slice): [tf.Variable, {unit: Unit; slice: UnitSlice}] => [
        slice.entry.variable,
        {unit, slice},
      ]),
    ),
  );
  // Every rank holds the weights that are not trained.
  const untrained = replicatedStorage([]);
  /** Copies the part of a weight that is in this rank's shard into `shardValues`. */
  const scatter = (variable: tf.Variable, values: Float32Array, shardValues: Float32Array) => {
    const {unit, slice} = sliceOf.get(variable)!;
    const shard = shards.byUnit[unit.index];
    const {from, to} = overlap(shard, slice);
    if (from < to)
      shardValues.set(values.subarray(from - slice.start, to - slice.start), from - shard.start);
  };
  /** On rank 0, a weight that is divided among all ranks. */
  const gather = async (variable: tf.Variable, shardValues: Float32Array, label: string) => {
    const {unit, slice} = sliceOf.get(variable)!;
    const shard = shards.byUnit[unit.index];
    const {from, to} = overlap(shard, slice);
    const values = new Float32Array(slice.length);
    if (from < to)
      values.set(shardValues.subarray(from - shard.start, to - shard.start), from - slice.start);
    await comm.reduce(values, {root: 0, label});
    return values;
  };
  return {
    isReplicated: false,
    loaded,
    load: (variable, values, dtype) => {
      const trained = sliceOf.get(variable);
      if (!trained) untrained.load(variable, values, dtype);
      else if (fullSlice) fullSlice(trained.unit, trained.slice).set(values);
      else scatter(variable, values as Float32Array, shards.byUnit[trained.unit.index].weights);
    },
    read: async (variable, owns) => {
      const trained = sliceOf.get(variable);
      if (!trained) return untrained.read(variable, owns);
      if (fullSlice) return fullSlice(trained.unit, trained.slice);
      return gather(variable, shards.byUnit[trained.unit.index].weights, 'trained weights');
    },
    slots: shards.variables.map(({name, shape}) => ({name, shape})),
    loadState: (variable, values, slots) =>
      scatter(variable, values, slots[sliceOf.get(variable)!.unit.index]),
    readState: (variable, slots) =>
      gather(
        variable,
        slots[sliceOf.get(variable)!.unit.index].dataSync() as Float32Array,
        "the optimizer's state",
      ),
  };
}
