/**
 * Sends activations and their gradients between ranks. Messages arrive in the order of
 * the sender's list; one that is not needed yet is kept until it is.
 */
import * as tf from '@tensorflow/tfjs';
import {ManyHandsError} from '../base/errors';
import type {Communicator} from '../collectives/types';
import {tagMemory} from '../memory';
import {messageName} from './simulateSchedule';
import type {StageMessage, Schedule} from './schedule';

export class StageChannel {
  /** By sender, the messages that it will send to this rank, in its order. */
  private readonly expected = new Map<number, Array<{name: string; message: StageMessage}>>();
  /** Messages that arrived before they were needed. */
  private readonly early = new Map<string, tf.Tensor>();

  /**
   * `parts`: the number of micro-batches of this step, which is lower than the schedule's for a
   * small batch. `shapeOf`: the shape of a message to this rank.
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
      this.expected.set(
        from,
        sent.map((name) => ({name, message: received.get(name)!})),
      );
    });
  }

  /**
   * Sends a tensor, which the caller keeps. Waits only if the channel is full. Throws BAD_MODEL for
   * a tensor that is not of floats.
   */
  async send({peer, what}: Pick<StageMessage, 'peer' | 'what'>, tensor: tf.Tensor): Promise<void> {
    if (tensor.dtype !== 'float32')
      throw new ManyHandsError(
        'BAD_MODEL',
        `the output of a pipeline stage is ${tensor.dtype}, and only float32 passes between stages: cut the model elsewhere (splitAt), or cast the output in its layer.`,
      );
    await this.comm.send(tensor.dataSync() as Float32Array, {to: peer, label: what});
  }

  /** Resolves to the tensor of a message of this step, which the caller disposes of. */
  async recv(message: StageMessage): Promise<tf.Tensor> {
    const name = messageName(message, this.comm.rank, this.comm.size);
    const expected = this.expected.get(message.peer)!;
    while (!this.early.has(name)) {
      const next = expected.shift()!;
      const {peer, what} = next.message;
      this.early.set(next.name, await receive(this.comm, peer, what, this.shapeOf(next.message)));
    }
    const tensor = this.early.get(name)!;
    this.early.delete(name);
    return tensor;
  }

  /** Frees the messages that were kept, if a step fails. */
  dispose(): void {
    tf.dispose([...this.early.values()]);
    this.early.clear();
  }
}

/** Receives one tensor from another rank. */
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
