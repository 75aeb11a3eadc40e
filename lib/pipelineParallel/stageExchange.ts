/**
 * Worker side. A model crosses between rank 0, which has the caller's memory before it, and the ranks that hold its stages: weight by weight, to those that
 * have the layer.
 */
import * as tf from '@tensorflow/tfjs';
import type {Communicator} from '../collectives/types';
import {holdArray, tagMemory} from '../memory';
import type {ModelDescription, OptimizerState} from '../model/description';
import {describeState, restoreState, stateTensors} from '../model/optimizerState';
import {assignValues, layoutOf, valuesAt, variablesOf, type Piece} from '../model/weights';
import type {WeightGradient} from '../step/hooks';

const suffix = (name: string) => name.slice(name.lastIndexOf('/') + 1);
const STATE = "the optimizer's state";

export class StageExchange {
  private readonly variables: tf.Variable[];

  /** `holders`: the ranks that have each weight; `entries`: this rank's own trainable weights. */
  constructor(private readonly comm: Communicator, private readonly model: tf.LayersModel, private readonly description: ModelDescription, private readonly holders: (variable: tf.Variable) => number[], private readonly entries: WeightGradient[]) {
    this.variables = variablesOf(model);
  }

  private get trained(): tf.Variable[] {
    return this.description.trainable.map((at) => this.variables[at]);
  }

  /** One piece of rank 0's `source` to `to`; those that are not among them get null. The values stay in `scratch` until the next one. */
  private async deal({at, bytes}: Piece, to: number[], source: ArrayBuffer | null, scratch: ArrayBuffer, label: string): Promise<boolean> {
    const {rank} = this.comm;
    const words = new Int32Array(scratch, 0, bytes / 4);
    if (source) {
      words.set(new Int32Array(source, at, words.length));
      for (const other of to) if (other !== rank && bytes > 0) await this.comm.send(words, {to: other, label});
    } else if (to.includes(rank) && bytes > 0) await this.comm.recv(words, {from: 0, label});
    return to.includes(rank);
  }

  /** Fills this rank's weights and its optimizer's state. */
  async load(source: ArrayBuffer | null): Promise<void> {
    const {weights, optimizerState: state} = this.description;
    const layout = layoutOf(this.description, state);
    const scratch = new ArrayBuffer(Math.max(4, ...[...layout.weights, ...layout.state].map(({bytes}) => bytes)));
    const release = holdArray(new Uint8Array(scratch), 'communication');
    try {
      for (const [i, variable] of this.variables.entries()) {
        if (!(await this.deal(layout.weights[i], this.holders(variable), source, scratch, 'initial weights'))) continue;
        assignValues(variable, valuesAt(scratch, 0, weights[i]), weights[i]);
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
    const one = async (to: number[]) => {
      const piece = pieces[next++];
      if (await this.deal(piece, to, source, scratch, STATE)) values.push(new Float32Array(scratch, 0, piece.bytes / 4).slice());
    };
    for (const {names} of state.lists) for (const k of names.keys()) await one(this.holders(trained[k]));
    for (let i = 0; i < state.scalars.length; i++) await one(Array.from({length: size}, (_, r) => r));
    const own = trained.map((variable) => this.holders(variable).includes(rank));
    const kept = <T>(list: T[]) => list.filter((_, k) => own[k]);
    const mine: OptimizerState = {...state, lists: state.lists.map(({field, names, shapes}) => ({field, names: kept(names), shapes: kept(shapes)})).filter(({names}) => names.length > 0)};
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

  /** The first holder's values of one tensor, on rank 0; `read` is called on the holder alone. */
  private async collect(holder: number, length: number, read: () => Float32Array | Int32Array | Uint8Array, label: string, write: (values: ReturnType<typeof read>) => void): Promise<void> {
    const {rank} = this.comm;
    if (rank === 0 && holder === 0) write(read());
    else if (rank === holder) await this.comm.send(read() as Float32Array, {to: 0, label});
    else if (rank === 0) {
      const values = new Float32Array(length);
      await this.comm.recv(values, {from: holder, label});
      write(values);
    }
  }

  /** All ranks give what they hold; rank 0 gets a buffer from `make` and fills it. */
  async save(make: (state: OptimizerState) => ArrayBuffer | null): Promise<OptimizerState> {
    const own = describeState(this.model.optimizer);
    const state = await this.wholeState(own);
    const layout = layoutOf(this.description, state);
    const buffer = make(state);
    const {weights} = this.description;
    for (const [i, variable] of this.variables.entries()) {
      await this.collect(this.holders(variable)[0], variable.size, () => variable.dataSync() as Float32Array, 'trained weights', (values) => valuesAt(buffer!, layout.weights[i].at, weights[i]).set(values));
    }
    const tensors = stateTensors(this.model.optimizer, own);
    const mine = this.entries.map(({variable}) => variable);
    for (const [l, {names}] of state.lists.entries()) {
      for (const k of names.keys()) {
        const variable = this.trained[k];
        const {at, bytes} = layout.state[l * names.length + k];
        const read = () => tensors[l * mine.length + mine.indexOf(variable)].dataSync() as Float32Array;
        await this.collect(this.holders(variable)[0], bytes / 4, read, STATE, (values) => new Float32Array(buffer!, at, values.length).set(values));
      }
    }
    const scalars = tensors.slice(tensors.length - own.scalars.length);
    for (const [i, tensor] of scalars.entries()) if (buffer) new Float32Array(buffer, layout.state[layout.state.length - scalars.length + i].at, 1).set(tensor.dataSync() as Float32Array);
    return state;
  }
}
