/**
 * Moves a model between rank 0, which has access to the caller's memory, and the ranks
 * that hold its layers or shards of its weights. It goes weight by weight, so that a rank needs
 * memory for one whole weight in addition to its own shards.
 */
import * as tf from '@tensorflow/tfjs';
import type {Communicator} from '../collectives/types';
import {holdArray, tagMemory} from '../memory';
import type {ModelDescription, OptimizerState} from '../model/description';
import {describeState, restoreState, stateTensors, withoutRate} from '../model/optimizerState';
import {NO_STATE, wholeOf, type ModelPart} from '../model/modelPart';
import {describedWeights} from '../model/modelWeights';
import {layoutOf, valuesAt, type Piece} from '../model/weights';
import type {ParameterStorage} from './parameterStorage';
import {shardShape, writeShard, readShard, type WeightShard} from '../model/weightShard';

const suffix = (name: string) => name.slice(name.lastIndexOf('/') + 1);
const STATE = "the optimizer's state";

type Values = Float32Array | Int32Array | Uint8Array;

/** A rank that holds a weight. */
export interface ShardOwner {
  rank: number;
  /** The shard that it holds; null for the whole weight. */
  shard: WeightShard | null;
  /** Whether it sends the weight back at the end, on behalf of all ranks that hold the same. */
  owns: boolean;
}

export class ModelExchange {
  private readonly variables: tf.Variable[];

  /**
   * `holdersOf`: the ranks that hold a weight, the same on every rank; `storage`: how this rank
   * holds its weights.
   */
  constructor(
    private readonly comm: Communicator,
    private readonly model: tf.LayersModel,
    private readonly description: ModelDescription,
    private readonly holdersOf: (variable: tf.Variable) => ShardOwner[],
    private readonly storage: ParameterStorage,
  ) {
    this.variables = describedWeights(model).map((weight) => weight.read());
  }

  private isHeldByAll(holders: ShardOwner[]): boolean {
    return holders.length === this.comm.size && holders.every(({shard}) => shard === null);
  }

  private get trained(): tf.Variable[] {
    return this.description.trainable.map((index) => this.variables[index]);
  }

  /**
   * Sends one piece of rank 0's `source`, a tensor of `shape`, to the ranks that hold it. Resolves
   * to this rank's shard, which may be a view of `scratch`; null if it holds none.
   */
  private async distribute(
    {offset, bytes}: Piece,
    shape: number[],
    holders: ShardOwner[],
    source: ArrayBuffer | null,
    scratch: ArrayBuffer,
    label: string,
  ): Promise<Int32Array | null> {
    const {rank} = this.comm;
    const thisRank = holders.find((holder) => holder.rank === rank);
    const words = new Int32Array(scratch, 0, bytes / 4);
    if (source) words.set(new Int32Array(source, offset, words.length));
    if (this.isHeldByAll(holders)) {
      if (words.length > 0) await this.comm.broadcast(words, {root: 0, label});
      return words;
    }
    const shardFor = ({shard}: ShardOwner) => {
      if (!shard) return words;
      const localShard = readShard(new Float32Array(scratch, 0, words.length), shape, shard);
      return new Int32Array(localShard.buffer, 0, localShard.length);
    };
    if (source) {
      for (const holder of holders)
        if (holder.rank !== rank && bytes > 0)
          await this.comm.send(shardFor(holder), {to: holder.rank, label});
      return thisRank ? shardFor(thisRank) : null;
    }
    if (!thisRank) return null;
    const localShard = thisRank.shard
      ? words.subarray(0, tf.util.sizeFromShape(shardShape(shape, thisRank.shard)))
      : words;
    if (localShard.length > 0) await this.comm.recv(localShard, {from: 0, label});
    return localShard;
  }

  /**
   * Fills this rank's weights and its optimizer's state, or only `part` of them; `source` is null
   * on all ranks but 0.
   */
  async load(
    source: ArrayBuffer | null,
    part: ModelPart = wholeOf(this.description),
  ): Promise<void> {
    const weights = part.weights.map((index) => this.description.weights[index]);
    const layout = layoutOf({weights}, part.state ?? NO_STATE);
    const scratch = new ArrayBuffer(
      Math.max(4, ...[...layout.weights, ...layout.state].map(({bytes}) => bytes)),
    );
    const release = holdArray(new Uint8Array(scratch), 'communication');
    try {
      for (const [i, index] of part.weights.entries()) {
        const variable = this.variables[index];
        const localShard = await this.distribute(
          layout.weights[i],
          weights[i].shape,
          this.holdersOf(variable),
          source,
          scratch,
          'initial weights',
        );
        if (localShard)
          this.storage.load(
            variable,
            valuesAt(localShard.buffer as ArrayBuffer, localShard.byteOffset, {
              shape: variable.shape,
              dtype: weights[i].dtype,
            }),
            weights[i].dtype,
          );
      }
      this.storage.loaded?.();
      if (part.state) await this.loadState(part.state, layout.state, source, scratch);
    } finally {
      release();
    }
  }

  private async loadState(
    state: OptimizerState,
    pieces: Piece[],
    source: ArrayBuffer | null,
    scratch: ArrayBuffer,
  ): Promise<void> {
    const {
      comm: {size},
      trained,
      storage: {slots},
    } = this;
    const values: Float32Array[] = [];
    let pieceIndex = 0;
    const distributeNext = (shape: number[], holders: ShardOwner[]) =>
      this.distribute(pieces[pieceIndex++], shape, holders, source, scratch, STATE);
    for (const {names, shapes} of state.lists) {
      const arrays = slots.map(({shape}) => new Float32Array(tf.util.sizeFromShape(shape)));
      for (const k of names.keys()) {
        const localShard = await distributeNext(shapes[k], this.holdersOf(trained[k]));
        if (localShard)
          this.storage.loadState(
            trained[k],
            new Float32Array(localShard.buffer, localShard.byteOffset, localShard.length),
            arrays,
          );
      }
      values.push(...arrays);
    }
    const everyRank = Array.from(
      {length: size},
      (_, rank): ShardOwner => ({rank, shard: null, owns: rank === 0}),
    );
    for (let i = 0; i < state.scalars.length; i++) {
      const localShard = (await distributeNext([], everyRank))!;
      values.push(
        new Float32Array(localShard.buffer, localShard.byteOffset, localShard.length).slice(),
      );
    }
    const shapes = slots.map(({shape}) => shape);
    const lists =
      slots.length === 0
        ? []
        : state.lists.map(({field, names}) => ({
            field,
            names: slots.map(({name}) => `${name}/${suffix(names[0])}`),
            shapes,
          }));
    const localState: OptimizerState = {...state, lists};
    restoreState(this.model.optimizer, localState, values);
    for (const tensor of stateTensors(this.model.optimizer, withoutRate(localState)))
      tagMemory(tensor, 'optimizer');
  }

  /**
   * The description of the whole model's state, for the caller's optimizer. A rank without weights
   * has no lists, so all take the names of the first rank that has some.
   */
  private async globalState(localState: OptimizerState): Promise<OptimizerState> {
    const isGlobal =
      this.storage.isReplicated &&
      this.trained.every((variable) => this.isHeldByAll(this.holdersOf(variable)));
    if (isGlobal) return localState;
    const {rank, size} = this.comm;
    const encoded = new TextEncoder().encode(
      JSON.stringify(localState.lists.map(({field, names}) => [field, suffix(names[0])])),
    );
    const lengths = new Int32Array(size);
    lengths[rank] = encoded.length;
    await this.comm.allReduce(lengths, {label: STATE});
    const source = lengths.findIndex((length) => length > '[]'.length);
    if (source < 0) return {...localState, lists: []};
    const words = new Int32Array(lengths[source]);
    if (rank === source) words.set(encoded);
    await this.comm.broadcast(words, {root: source, label: STATE});
    const fields = JSON.parse(new TextDecoder().decode(Uint8Array.from(words))) as Array<
      [string, string]
    >;
    const {weights, trainable} = this.description;
    const lists = fields.map(([field, name]) => ({
      field,
      names: trainable.map((index) => `${weights[index].name}/${name}`),
      shapes: trainable.map((index) => weights[index].shape),
    }));
    return {...localState, lists};
  }

  /**
   * Assembles a tensor of `shape` on rank 0, where `write` gets it, from the ranks that own it. All
   * ranks that hold it call `readLocal`.
   */
  private async collect(
    holders: ShardOwner[],
    shape: number[],
    readLocal: (owns: boolean) => Promise<Values | null>,
    label: string,
    write: (values: Values) => void,
  ): Promise<void> {
    const {rank} = this.comm;
    const thisRank = holders.find((holder) => holder.rank === rank);
    const localValues = thisRank ? await readLocal(thisRank.owns) : null;
    const owners = holders.filter(({owns}) => owns);
    const assembled =
      owners[0].shard && rank === 0 ? new Float32Array(tf.util.sizeFromShape(shape)) : null;
    for (const owner of owners) {
      let values = rank === owner.rank ? localValues : null;
      if (values && rank !== 0) await this.comm.send(values as Float32Array, {to: 0, label});
      if (rank !== 0) continue;
      if (!values) {
        values = new Float32Array(
          tf.util.sizeFromShape(owner.shard ? shardShape(shape, owner.shard) : shape),
        );
        await this.comm.recv(values as Float32Array, {from: owner.rank, label});
      }
      if (owner.shard) writeShard(assembled!, shape, owner.shard, values as Float32Array);
      else write(values);
    }
    if (assembled) write(assembled);
  }

  /**
   * Collects the model's weights and state on rank 0, which writes them into the buffer that `make`
   * returns. All ranks must call it. Resolves to the state's description.
   */
  async save(make: (state: OptimizerState) => ArrayBuffer | null): Promise<OptimizerState> {
    const {storage} = this;
    const localState = describeState(this.model.optimizer);
    const state = await this.globalState(localState);
    const layout = layoutOf(this.description, state);
    const buffer = make(state);
    const {weights} = this.description;
    for (const [i, variable] of this.variables.entries()) {
      await this.collect(
        this.holdersOf(variable),
        weights[i].shape,
        (owns) => storage.read(variable, owns),
        'trained weights',
        (values) => valuesAt(buffer!, layout.weights[i].offset, weights[i]).set(values),
      );
    }
    const tensors = stateTensors(this.model.optimizer, localState);
    for (const [l, {names, shapes}] of state.lists.entries()) {
      const slots = tensors.slice(l * storage.slots.length, (l + 1) * storage.slots.length);
      for (const k of names.keys()) {
        const {offset} = layout.state[l * names.length + k];
        await this.collect(
          this.holdersOf(this.trained[k]),
          shapes[k],
          (owns) => storage.readState(this.trained[k], slots, owns),
          STATE,
          (values) => new Float32Array(buffer!, offset, values.length).set(values),
        );
      }
    }
    const scalars = tensors.slice(tensors.length - localState.scalars.length);
    for (const [i, tensor] of scalars.entries())
      if (buffer)
        new Float32Array(
          buffer,
          layout.state[layout.state.length - scalars.length + i].offset,
          1,
        ).set(tensor.dataSync() as Float32Array);
    return state;
  }
}
