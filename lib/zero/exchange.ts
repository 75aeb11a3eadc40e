/**
 * Worker side. A model crosses between rank 0, which has the caller's memory before it, and the ranks' parts weight by weight and unit by unit:
 * no rank ever holds more than one piece beside its own.
 */
import * as tf from '@tensorflow/tfjs';
import {partOf, type Communicator} from '../collectives/types';
import {holdArray, tagMemory} from '../memory';
import type {ModelDescription, OptimizerState} from '../model/description';
import {describeState, restoreState, stateTensors} from '../model/optimizerState';
import {assignValues, layoutOf, valuesAt, variablesOf, type Piece} from '../model/weights';
import type {WeightGradient} from '../step/hooks';
import type {Shards} from './shards';
import type {Unit, UnitPlace} from './units';

const suffix = (name: string) => name.slice(name.lastIndexOf('/') + 1);

/** Copies what `values`, a whole weight's, has of this rank's part. */
function takePart(values: Float32Array, place: UnitPlace, start: number, end: number, into: Float32Array): void {
  const from = Math.max(start, place.start);
  const to = Math.min(end, place.start + place.length);
  if (from < to) into.set(values.subarray(from - place.start, to - place.start), from - start);
}

export class Exchange {
  private readonly placeOf = new Map<tf.Variable, {unit: Unit; place: UnitPlace}>();

  /** `whole`: where every rank holds all weights (stages 1 and 2), a weight's place among them. */
  constructor(private readonly comm: Communicator, private readonly model: tf.LayersModel, private readonly description: ModelDescription, units: Unit[], private readonly shards: Shards, private readonly whole: ((unit: Unit, place: UnitPlace) => Float32Array) | null) {
    for (const unit of units) for (const place of unit.places) this.placeOf.set(place.entry.variable, {unit, place});
  }

  /** One piece from rank 0, whose caller's memory is `source`; it stays in `scratch` until the next one. */
  private async piece({at, bytes}: Piece, source: ArrayBuffer | null, scratch: ArrayBuffer): Promise<Float32Array> {
    const words = new Int32Array(scratch, 0, bytes / 4);
    if (source) words.set(new Int32Array(source, at, words.length));
    if (bytes > 0) await this.comm.broadcast(words, {root: 0, label: 'initial weights'});
    return new Float32Array(scratch, 0, words.length);
  }

  /** Fills weights, parts and the optimizer's state. */
  async load(source: ArrayBuffer | null): Promise<void> {
    const {weights, optimizerState: state} = this.description;
    const layout = layoutOf(this.description, state);
    const scratch = new ArrayBuffer(Math.max(...[...layout.weights, ...layout.state].map(({bytes}) => bytes)));
    const release = holdArray(new Uint8Array(scratch), 'communication');
    try {
      for (const [i, variable] of variablesOf(this.model).entries()) {
        const values = await this.piece(layout.weights[i], source, scratch);
        const found = this.placeOf.get(variable);
        if (found) {
          const shard = this.shards.all[found.unit.index];
          if (this.whole) this.whole(found.unit, found.place).set(values);
          else takePart(values, found.place, shard.start, shard.end, shard.weights);
          continue;
        }
        assignValues(variable, valuesAt(scratch, 0, weights[i]), weights[i]);
        tagMemory(variable, 'parameters');
      }
      await this.loadState(state, layout.state, source, scratch);
    } finally {
      release();
    }
  }

  private async loadState(state: OptimizerState, pieces: Piece[], source: ArrayBuffer | null, scratch: ArrayBuffer): Promise<void> {
    const trained = this.description.trainable.map((at) => variablesOf(this.model)[at]);
    const values: Float32Array[] = [];
    let next = 0;
    for (const {names} of state.lists) {
      const parts = this.shards.all.map(({weights}) => new Float32Array(Math.max(1, weights.length)));
      for (let k = 0; k < names.length; k++) {
        const whole = await this.piece(pieces[next++], source, scratch);
        const found = this.placeOf.get(trained[k]);
        if (!found) continue;
        const shard = this.shards.all[found.unit.index];
        takePart(whole, found.place, shard.start, shard.end, parts[found.unit.index]);
      }
      values.push(...parts);
    }
    for (let i = 0; i < state.scalars.length; i++) values.push((await this.piece(pieces[next++], source, scratch)).slice());
    const own: OptimizerState = {
      ...state,
      lists: state.lists.map(({field, names}) => ({
        field,
        names: this.shards.variables.map(({name}) => `${name}/${suffix(names[0] ?? '')}`),
        shapes: this.shards.variables.map(({shape}) => shape),
      })),
    };
    restoreState(this.model.optimizer, own, values);
    for (const tensor of stateTensors(this.model.optimizer, own)) tagMemory(tensor, 'optimizer');
  }

  /** The whole model's state, as the caller's optimizer keeps it, from this rank's own. */
  private wholeState(own: OptimizerState, entries: WeightGradient[]): OptimizerState {
    return {
      ...own,
      lists: own.lists.map(({field, names}) => ({
        field,
        names: entries.map(({name}) => `${name}/${suffix(names[0])}`),
        shapes: entries.map(({variable}) => variable.shape),
      })),
    };
  }

  /** Gathers one unit of something of which every rank has its part. */
  private async gather(unit: Unit, own: Float32Array, scratch: Float32Array, label: string): Promise<Float32Array> {
    const all = scratch.subarray(0, unit.length);
    const part = partOf(all, this.comm.rank, this.comm.size);
    part.set(own.subarray(0, part.length));
    await this.comm.allGather(all, {label});
    return all;
  }

  /** All ranks give what they own; rank 0 gets a buffer from `make` and fills it. */
  async save(entries: WeightGradient[], make: (state: OptimizerState) => ArrayBuffer | null): Promise<OptimizerState> {
    const own = describeState(this.model.optimizer);
    const state = this.wholeState(own, entries);
    const layout = layoutOf(this.description, state);
    const buffer = make(state);
    const variables = variablesOf(this.model);
    const scratch = new Float32Array(Math.max(...this.shards.all.map(({unit}) => unit.length)));
    const release = holdArray(scratch, 'communication');
    const write = ({at}: Piece, values: Float32Array) => buffer && new Float32Array(buffer, at, values.length).set(values);
    try {
      variables.forEach((variable, i) => {
        if (!buffer || (this.placeOf.has(variable) && !this.whole)) return;
        valuesAt(buffer, layout.weights[i].at, this.description.weights[i]).set(variable.dataSync());
      });
      if (!this.whole) {
        for (const {unit, weights} of this.shards.all) {
          const all = await this.gather(unit, weights, scratch, 'trained weights');
          for (const {entry, start, length} of unit.places) write(layout.weights[variables.indexOf(entry.variable)], all.subarray(start, start + length));
        }
      }
      // Read one at a time: all of them at once would be the state twice.
      const tensors = stateTensors(this.model.optimizer, own);
      const next = () => tensors.shift()!.dataSync() as Float32Array;
      for (const list of own.lists.keys()) {
        for (const {unit} of this.shards.all) {
          const all = await this.gather(unit, next(), scratch, "the optimizer's state");
          for (const {entry, start, length} of unit.places) write(layout.state[list * entries.length + entries.indexOf(entry)], all.subarray(start, start + length));
        }
      }
      for (const i of own.scalars.keys()) write(layout.state[own.lists.length * entries.length + i], next());
      return state;
    } finally {
      release();
    }
  }
}
