/**
 * Worker side. A model crosses between rank 0, which has the caller's memory before it, and the ranks that hold its layers or parts of its weights: weight by
 * weight, to those that have it, and to each its part.
 */
import * as tf from '@tensorflow/tfjs';
import type {Communicator} from '../collectives/types';
import {holdArray, tagMemory} from '../memory';
import type {ModelDescription, OptimizerState} from '../model/description';
import {describeState, restoreState, stateTensors} from '../model/optimizerState';
import {assignValues, layoutOf, valuesAt, variablesOf, type Piece} from '../model/weights';
import type {WeightGradient} from './hooks';
import {cutShape, putPart, takePart, type WeightCut} from './weightCut';

const suffix = (name: string) => name.slice(name.lastIndexOf('/') + 1);
const STATE = "the optimizer's state";

/** A rank that has a weight, or, with `cut`, a run of it. */
export interface Holder {
  rank: number;
  cut: WeightCut | null;
}

export class PartsExchange {
  private readonly variables: tf.Variable[];

  /** `holders`: who has each of the model's weights, of one without a cut the first answers for it; `entries`: this rank's own trainable weights. */
  constructor(private readonly comm: Communicator, private readonly model: tf.LayersModel, private readonly description: ModelDescription, private readonly holders: (variable: tf.Variable) => Holder[], private readonly entries: WeightGradient[]) {
    this.variables = variablesOf(model);
  }

  private get trained(): tf.Variable[] {
    return this.description.trainable.map((at) => this.variables[at]);
  }

  /** One piece of rank 0's `source`, a tensor of `shape`, to those that have it; resolves to this rank's part, a view of `scratch` or its own, or to null. */
  private async deal({at, bytes}: Piece, shape: number[], to: Holder[], source: ArrayBuffer | null, scratch: ArrayBuffer, label: string): Promise<Int32Array | null> {
    const {rank} = this.comm;
    const own = to.find((holder) => holder.rank === rank);
    const words = new Int32Array(scratch, 0, bytes / 4);
    const partOf = ({cut}: Holder) => {
      if (!cut) return words;
      const part = takePart(new Float32Array(scratch, 0, words.length), shape, cut);
      return new Int32Array(part.buffer, 0, part.length);
    };
    if (source) {
      words.set(new Int32Array(source, at, words.length));
      for (const holder of to) if (holder.rank !== rank && bytes > 0) await this.comm.send(partOf(holder), {to: holder.rank, label});
      return own ? partOf(own) : null;
    }
    if (!own) return null;
    const part = own.cut ? words.subarray(0, tf.util.sizeFromShape(cutShape(shape, own.cut))) : words;
    if (part.length > 0) await this.comm.recv(part, {from: 0, label});
    return part;
  }

  /** Fills this rank's weights and its optimizer's state. */
  async load(source: ArrayBuffer | null): Promise<void> {
    const {weights, optimizerState: state} = this.description;
    const layout = layoutOf(this.description, state);
    const scratch = new ArrayBuffer(Math.max(4, ...[...layout.weights, ...layout.state].map(({bytes}) => bytes)));
    const release = holdArray(new Uint8Array(scratch), 'communication');
    try {
      for (const [i, variable] of this.variables.entries()) {
        const part = await this.deal(layout.weights[i], weights[i].shape, this.holders(variable), source, scratch, 'initial weights');
        if (!part) continue;
        const own = {...weights[i], shape: variable.shape};
        assignValues(variable, valuesAt(part.buffer as ArrayBuffer, part.byteOffset, own), own);
        tagMemory(variable, 'parameters');
      }
      await this.loadState(state, layout.state, source, scratch);
    } finally {
      release();
    }
  }

  private async loadState(state: OptimizerState, pieces: Piece[], source: ArrayBuffer | null, scratch: ArrayBuffer): Promise<void> {
    const {rank, size} = this.comm;
    const {trained} = this;
    const values: Float32Array[] = [];
    let next = 0;
    const one = async (shape: number[], to: Holder[]) => {
      const part = await this.deal(pieces[next++], shape, to, source, scratch, STATE);
      if (part) values.push(new Float32Array(part.buffer, part.byteOffset, part.length).slice());
    };
    for (const {names, shapes} of state.lists) for (const k of names.keys()) await one(shapes[k], this.holders(trained[k]));
    for (let i = 0; i < state.scalars.length; i++) await one([], Array.from({length: size}, (_, r) => ({rank: r, cut: null})));
    const has = trained.map((variable) => this.holders(variable).some((holder) => holder.rank === rank));
    const kept = <T>(list: T[]) => list.filter((_, k) => has[k]);
    const shapes = kept(trained).map(({shape}) => shape);
    const mine: OptimizerState = {...state, lists: state.lists.map(({field, names}) => ({field, names: kept(names), shapes})).filter(({names}) => names.length > 0)};
    restoreState(this.model.optimizer, mine, values);
    for (const tensor of stateTensors(this.model.optimizer, mine)) tagMemory(tensor, 'optimizer');
  }

  /** The whole model's state as the caller's optimizer keeps it: the lists of whichever rank has any, over all trainable weights. */
  private async wholeState(own: OptimizerState): Promise<OptimizerState> {
    const {rank, size} = this.comm;
    const encoded = new TextEncoder().encode(JSON.stringify(own.lists.map(({field, names}) => [field, suffix(names[0])])));
    const lengths = new Int32Array(size);
    lengths[rank] = encoded.length;
    await this.comm.allReduce(lengths, {label: STATE});
    const holder = lengths.findIndex((length) => length > '[]'.length);
    if (holder < 0) return {...own, lists: []};
    const words = new Int32Array(lengths[holder]);
    if (rank === holder) words.set(encoded);
    await this.comm.broadcast(words, {root: holder, label: STATE});
    const fields = JSON.parse(new TextDecoder().decode(Uint8Array.from(words))) as Array<[string, string]>;
    const {weights, trainable} = this.description;
    const lists = fields.map(([field, name]) => ({field, names: trainable.map((at) => `${weights[at].name}/${name}`), shapes: trainable.map((at) => weights[at].shape)}));
    return {...own, lists};
  }

  /** A tensor of `shape` on rank 0: whole from its first holder, or from each its part. `read` is called on those that give; `write` on rank 0, with the whole. */
  private async collect(holders: Holder[], shape: number[], read: () => Float32Array | Int32Array | Uint8Array, label: string, write: (values: ReturnType<typeof read>) => void): Promise<void> {
    const {rank} = this.comm;
    const cut = holders[0].cut !== null;
    const whole = cut && rank === 0 ? new Float32Array(tf.util.sizeFromShape(shape)) : null;
    for (const holder of cut ? holders : holders.slice(0, 1)) {
      let values: ReturnType<typeof read> | null = rank === holder.rank ? read() : null;
      if (values && rank !== 0) await this.comm.send(values as Float32Array, {to: 0, label});
      if (rank !== 0) continue;
      if (!values) {
        values = new Float32Array(tf.util.sizeFromShape(holder.cut ? cutShape(shape, holder.cut) : shape));
        await this.comm.recv(values as Float32Array, {from: holder.rank, label});
      }
      if (holder.cut) putPart(whole!, shape, holder.cut, values as Float32Array);
      else write(values);
    }
    if (whole) write(whole);
  }

  /** All ranks give what they hold; rank 0 gets a buffer from `make` and fills it. */
  async save(make: (state: OptimizerState) => ArrayBuffer | null): Promise<OptimizerState> {
    const own = describeState(this.model.optimizer);
    const state = await this.wholeState(own);
    const layout = layoutOf(this.description, state);
    const buffer = make(state);
    const {weights} = this.description;
    for (const [i, variable] of this.variables.entries()) {
      await this.collect(this.holders(variable), weights[i].shape, () => variable.dataSync() as Float32Array, 'trained weights', (values) => valuesAt(buffer!, layout.weights[i].at, weights[i]).set(values));
    }
    const tensors = stateTensors(this.model.optimizer, own);
    const mine = this.entries.map(({variable}) => variable);
    for (const [l, {names, shapes}] of state.lists.entries()) {
      for (const k of names.keys()) {
        const variable = this.trained[k];
        const {at} = layout.state[l * names.length + k];
        const read = () => tensors[l * mine.length + mine.indexOf(variable)].dataSync() as Float32Array;
        await this.collect(this.holders(variable), shapes[k], read, STATE, (values) => new Float32Array(buffer!, at, values.length).set(values));
      }
    }
    const scalars = tensors.slice(tensors.length - own.scalars.length);
    for (const [i, tensor] of scalars.entries()) if (buffer) new Float32Array(buffer, layout.state[layout.state.length - scalars.length + i].at, 1).set(tensor.dataSync() as Float32Array);
    return state;
  }
}
