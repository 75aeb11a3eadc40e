/**
 * Worker side. What a rank of ZeRO keeps: its part of each unit's optimizer state, and of its
 * weights all (stages 1 and 2) or its part (stage 3).
 */
import type * as tf from '@tensorflow/tfjs';
import type {Communicator} from '../collectives/types';
import {keepWhole, type Keeping} from '../step/parameterStorage';
import type {Shard, Shards} from './shards';
import type {Unit, UnitPlace} from './units';

/** The elements of a weight that are in a shard: from `from` up to `to` of its unit. */
function common({start, end}: Shard, place: UnitPlace): {from: number; to: number} {
  const from = Math.max(start, place.start);
  return {from, to: Math.max(from, Math.min(end, place.start + place.length))};
}

/**
 * `comm`: the ranks that divide the units; `whole`: where every rank holds all weights, a weight's
 * place among them.
 */
export function keepShards(
  comm: Communicator,
  units: readonly Unit[],
  shards: Shards,
  whole: ((unit: Unit, place: UnitPlace) => Float32Array) | null,
): Keeping {
  const placeOf = new Map(
    units.flatMap((unit) =>
      unit.places.map((place): [tf.Variable, {unit: Unit; place: UnitPlace}] => [
        place.entry.variable,
        {unit, place},
      ]),
    ),
  );
  // Weights that are not trained are whole on every rank.
  const rest = keepWhole([]);
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
    take: (variable, values, dtype) => {
      const found = placeOf.get(variable);
      if (!found) rest.take(variable, values, dtype);
      else if (whole) whole(found.unit, found.place).set(values);
      else take(variable, values as Float32Array, shards.all[found.unit.index].weights);
    },
    give: async (variable) => {
      const found = placeOf.get(variable);
      if (!found) return rest.give(variable);
      return whole
        ? whole(found.unit, found.place)
        : give(variable, shards.all[found.unit.index].weights, 'trained weights');
    },
    slots: shards.variables.map(({name, shape}) => ({name, shape})),
    takeState: (variable, values, slots) =>
      take(variable, values, slots[placeOf.get(variable)!.unit.index]),
    giveState: (variable, slots) =>
      give(
        variable,
        slots[placeOf.get(variable)!.unit.index].dataSync() as Float32Array,
        "the optimizer's state",
      ),
  };
}
