/**
 * Activations and their gradients between ranks. A rank's messages to another come in
 * the order of the sender's list; one that is not wanted yet is put aside.
 */
import * as tf from '@tensorflow/tfjs';
import type {Communicator} from '../collectives/types';
import {tagMemory} from '../memory';
import {messageName} from './simulateSchedule';
import type {StageMessage, Schedule} from './schedule';

export class StageChannel {
  /** By sender, the messages that it will send here, in its order. */
  private readonly coming = new Map<number, Array<{name: string; own: StageMessage}>>();
  private readonly aside = new Map<string, tf.Tensor>();

  /**
   * `parts`: the micro-batches of this step; a small batch has fewer than the schedule, and of one
   * without samples nobody sends anything.
   * `shapeOf`: of a message to this rank.
   */
  constructor(
    private readonly comm: Communicator,
    {actions}: Schedule,
    parts: ReadonlyArray<{samples: number}>,
    private readonly shapeOf: (message: StageMessage) => number[],
  ) {
    const {rank, size} = comm;
    const received = new Map(
      actions[rank].flatMap(
        (action): Array<[string, StageMessage]> =>
          action.do === 'recv' ? [[messageName(action, rank, size), action]] : [],
      ),
    );
    actions.forEach((list, from) => {
      const sent = list.flatMap((action) =>
        action.do === 'send' && action.peer === rank && parts[action.microBatch]?.samples > 0
          ? [messageName(action, from, size)]
          : [],
      );
      this.coming.set(
        from,
        sent.map((name) => ({name, own: received.get(name)!})),
      );
    });
  }

  /**
   * Reads the tensor, which stays the caller's, and sends it; waits only where the line is full.
   */
  async send({peer, what}: Pick<StageMessage, 'peer' | 'what'>, tensor: tf.Tensor): Promise<void> {
    await this.comm.send(tensor.dataSync() as Float32Array, {to: peer, label: what});
  }

  /** The tensor of a message of this step, the caller's to dispose. */
  async recv(message: StageMessage): Promise<tf.Tensor> {
    const name = messageName(message, this.comm.rank, this.comm.size);
    const coming = this.coming.get(message.peer)!;
    while (!this.aside.has(name)) {
      const {name: next, own} = coming.shift()!;
      this.aside.set(next, await receive(this.comm, own.peer, own.what, this.shapeOf(own)));
    }
    const found = this.aside.get(name)!;
    this.aside.delete(name);
    return found;
  }

  /** Frees what was put aside, when a step ends early. */
  dispose(): void {
    tf.dispose([...this.aside.values()]);
    this.aside.clear();
  }
}

/** One tensor from another rank. */
export async function receive(
  comm: Communicator,
  from: number,
  label: string,
  shape: number[],
): Promise<tf.Tensor> {
  const values = new Float32Array(tf.util.sizeFromShape(shape));
  await comm.recv(values, {from, label});
  const tensor = tf.tensor(values, shape, 'float32');
  tagMemory(tensor, 'activations');
  return tensor;
}
