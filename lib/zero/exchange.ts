/**
 * Worker side. A model crosses between rank 0, which has the caller's memory before it, and the ranks' parts weight by weight and unit by unit:
 * no rank ever holds more than one piece beside its own.
 */
import * as tf from '@tensorflow/tfjs';
import {partOf, type Communicator} from '../collectives/types';
import {holdArray, tagMemory} from '../memory';
import type {ModelDescription, OptimizerState} from '../model/description';
import {describeState, restoreState} from '../model/optimizerState';
import {layoutOf, type Piece} from '../model/weights';
import type {WeightGradient} from '../step/hooks';
import type {Shards} from './shards';
import type {Unit, UnitPlace} from './units';

interface WeightLike {
  read(): tf.Variable;
}
const weightsOf = (model: tf.LayersModel) => (model as unknown as {weights: WeightLike[]}).weights.map((weight) => weight.read());

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

  /** One piece from rank 0, whose caller's memory is `source`. */
  private async piece({at, bytes}: Piece, source: ArrayBuffer | null): Promise<ArrayBuffer> {
    const own = source ? source.slice(at, at + bytes) : new ArrayBuffer(bytes);
    if (bytes > 0) await this.comm.broadcast(new Int32Array(own), {root: 0, label: 'initial weights'});
    return own;
  }

  /** Fills weights, parts and the optimizer's state. */
  async load(source: ArrayBuffer | null): Promise<void> {
    const {weights, optimizerState: state} = this.description;
    const layout = layoutOf(this.description, state);
    const variables = weightsOf(this.model);
    const longest = Math.max(...layout.weights.map(({bytes}) => bytes), 4);
    const release = holdArray(new Float32Array(longest / 4), 'communication');
    try {
      for (const [i, variable] of variables.entries()) {
        const buffer = await this.piece(layout.weights[i], source);
        const found = this.placeOf.get(variable);
        if (found) {
          const shard = this.shards.all[found.unit.index];
          if (this.whole) this.whole(found.unit, found.place).set(new Float32Array(buffer));
          else takePart(new Float32Array(buffer), found.place, shard.start, shard.end, shard.weights);
          continue;
        }
        const {dtype, shape} = weights[i];
        const size = shape.reduce((product, length) => product * length, 1);
        const values = dtype === 'bool' ? new Uint8Array(buffer, 0, size) : dtype === 'int32' ? new Int32Array(buffer) : new Float32Array(buffer);
        tf.tidy(() => variable.assign(tf.tensor(values, shape, dtype)));
        tagMemory(variable, 'parameters');
      }
      await this.loadState(state, layout.state, source);
    } finally {
      release();
    }
  }

  private async loadState(state: OptimizerState, pieces: Piece[], source: ArrayBuffer | null): Promise<void> {
    const trained = this.description.trainable.map((at) => weightsOf(this.model)[at]);
    const values: Float32Array[] = [];
    let next = 0;
    for (const {names} of state.lists) {
      const parts = this.shards.all.map(({weights}) => new Float32Array(Math.max(1, weights.length)));
      for (let k = 0; k < names.length; k++) {
        const buffer = await this.piece(pieces[next++], source);
        const found = this.placeOf.get(trained[k]);
        if (!found) continue;
        const shard = this.shards.all[found.unit.index];
        takePart(new Float32Array(buffer), found.place, shard.start, shard.end, parts[found.unit.index]);
      }
      values.push(...parts);
    }
    for (let i = 0; i < state.scalars.length; i++) values.push(new Float32Array(await this.piece(pieces[next++], source)));
    const suffix = (name: string) => name.slice(name.lastIndexOf('/') + 1);
    const own: OptimizerState = {
      ...state,
      lists: state.lists.map(({field, names}) => ({
        field,
        names: this.shards.variables.map(({name}) => `${name}/${suffix(names[0] ?? '')}`),
        shapes: this.shards.variables.map(({shape}) => shape),
      })),
    };
    restoreState(this.model.optimizer, own, values);
    const optimizer = this.model.optimizer as unknown as Record<string, Array<{variable: tf.Variable}>>;
    for (const {field} of own.lists) for (const {variable} of optimizer[field]) tagMemory(variable, 'optimizer');
  }

  /** The whole model's state, as the caller's optimizer keeps it. */
  private wholeState(entries: WeightGradient[]): OptimizerState {
    const state = describeState(this.model.optimizer);
    return {
      ...state,
      lists: state.lists.map(({field, names}) => ({
        field,
        names: entries.map(({name}) => `${name}/${names[0].slice(names[0].lastIndexOf('/') + 1)}`),
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
    const state = this.wholeState(entries);
    const layout = layoutOf(this.description, state);
    const buffer = make(state);
    const variables = weightsOf(this.model);
    const scratch = new Float32Array(Math.max(...this.shards.all.map(({unit}) => unit.length)));
    const release = holdArray(scratch, 'communication');
    const write = ({at}: Piece, values: Float32Array) => buffer && new Float32Array(buffer, at, values.length).set(values);
    try {
      variables.forEach((variable, i) => {
        if (!buffer || (this.placeOf.has(variable) && !this.whole)) return;
        new Uint8Array(buffer, layout.weights[i].at).set(bytesOf(variable.dataSync()));
      });
      if (!this.whole) {
        for (const {unit, weights} of this.shards.all) {
          const all = await this.gather(unit, weights, scratch, 'trained weights');
          for (const {entry, start, length} of unit.places) write(layout.weights[variables.indexOf(entry.variable)], all.subarray(start, start + length));
        }
      }
      const optimizer = this.model.optimizer as unknown as Record<string, unknown>;
      for (const [list, {field}] of state.lists.entries()) {
        for (const {unit} of this.shards.all) {
          const own = (optimizer[field] as Array<{variable: tf.Variable}>)[unit.index].variable.dataSync() as Float32Array;
          const all = await this.gather(unit, own, scratch, "the optimizer's state");
          for (const {entry, start, length} of unit.places) write(layout.state[list * entries.length + entries.indexOf(entry)], all.subarray(start, start + length));
        }
      }
      for (const [i, {field}] of state.scalars.entries()) write(layout.state[state.lists.length * entries.length + i], (optimizer[field] as tf.Tensor).dataSync() as Float32Array);
      return state;
    } finally {
      release();
    }
  }
}

const bytesOf = (values: Float32Array | Int32Array | Uint8Array): Uint8Array => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
