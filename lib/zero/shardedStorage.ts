/**
 * What a rank of ZeRO keeps: its part of each unit's optimizer state, and of its
 * weights all (stages 1 and 2) or its part (stage 3).
 */
import type * as tf from '@tensorflow/tfjs';
import type {Communicator} from '../collectives/types';
import {replicatedStorage, type ParameterStorage} from '../step/parameterStorage';
import type {Shard, Shards} from './shards';
import type {Unit, UnitSlice} from './units';

/** The elements of a weight that are in a shard: from `from` up to `to` of its unit. */
function common({start, end}: Shard, place: UnitSlice): {from: number; to: number} {
  const from = Math.max(start, place.start);
  return {from, to: Math.max(from, Math.min(end, place.start + place.length))};
}

/**
 * `comm`: the ranks that divide the units; `whole`: where every rank holds all weights, a weight's
 * place among them.
 */
export function shardedStorage(
  comm: Communicator,
  units: readonly Unit[],
  shards: Shards,
  whole: ((unit: Unit, place: UnitSlice) => Float32Array) | null,
): ParameterStorage {
  const placeOf = new Map(
    units.flatMap((unit) =>
      unit.places.map((place): [tf.Variable, {unit: Unit; place: UnitSlice}] => [
        place.entry.variable,
        {unit, place},
      ]),
    ),
  );
  // Weights that are not trained are whole on every rank.
  const rest = replicatedStorage([]);
  const take = (variable: tf.Variable, values: Float32Array, into: Float32Array) => {
    const {unit, place} = placeOf.get(variable)!;
    const shard = shards.all[unit.index];
    const {from, to} = common(shard, place);
    if (from < to)
      into.set(values.subarray(from - place.start, to - place.start), from - shard.start);
  };
  /** A weight of which every rank has its part, on the first. */
  const give = async (variable: tf.Variable, own: Float32Array, label: string) => {
    const {unit, place} = placeOf.get(variable)!;
    const shard = shards.all[unit.index];
    const {from, to} = common(shard, place);
    const all = new Float32Array(place.length);
    if (from < to) all.set(own.subarray(from - shard.start, to - shard.start), from - place.start);
    await comm.reduce(all, {root: 0, label});
    return all;
  };
  return {
    load: (variable, values, dtype) => {
      const found = placeOf.get(variable);
      if (!found) rest.load(variable, values, dtype);
      else if (whole) whole(found.unit, found.place).set(values);
      else take(variable, values as Float32Array, shards.all[found.unit.index].weights);
    },
    read: async (variable) => {
      const found = placeOf.get(variable);
      if (!found) return rest.read(variable);
      return whole
        ? whole(found.unit, found.place)
        : give(variable, shards.all[found.unit.index].weights, 'trained weights');
    },
    slots: shards.variables.map(({name, shape}) => ({name, shape})),
    loadState: (variable, values, slots) =>
      take(variable, values, slots[placeOf.get(variable)!.unit.index]),
    readState: (variable, slots) =>
      give(
        variable,
        slots[placeOf.get(variable)!.unit.index].dataSync() as Float32Array,
        "the optimizer's state",
      ),
  };
}
