/**
 * Runs one rank's part of an algorithm's steps.
 */
import type {Step} from './algorithms';
import {reduceInto} from './kernels';
import {partStart, type Numbers, type ReduceOp, type Transport} from './types';

export function bytesOf(array: Numbers): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/** Buffers for received numbers, kept by each rank: fresh memory costs a page fault per page. */
const receiveBuffers = new WeakMap<Transport, ArrayBuffer>();

/** A buffer with the type and length of `like`. */
function receiveBuffer(transport: Transport, like: Numbers): Numbers {
  let buffer = receiveBuffers.get(transport);
  if (!buffer || buffer.byteLength < like.byteLength) {
    buffer = new ArrayBuffer(like.byteLength);
    receiveBuffers.set(transport, buffer);
  }
  const type = like.constructor as new (
    buffer: ArrayBuffer,
    offset: number,
    length: number,
  ) => Numbers;
  return new type(buffer, 0, like.length);
}

/**
 * Sends and receives this rank's messages. `op` says what 'add' does; a mean is summed here and
 * divided by the caller.
 */
export async function runSteps(
  steps: Step[],
  transport: Transport,
  array: Numbers,
  op: ReduceOp,
): Promise<void> {
  const {rank, size} = transport;
  const view = ({first, last}: {first: number; last: number}) =>
    array.subarray(partStart(first, array.length, size), partStart(last, array.length, size));
  for (const step of steps) {
    const out = step.find((message) => message.from === rank);
    const into = step.find((message) => message.to === rank);
    const target = into && view(into);
    // Received numbers must not overwrite numbers that are still being sent.
    const received =
      into && target && (into.action === 'add' || out ? receiveBuffer(transport, target) : target);
    if (out && received)
      await transport.exchange(bytesOf(view(out)), out.to, bytesOf(received), into.from);
    else if (out) await transport.send(bytesOf(view(out)), out.to);
    else if (received) await transport.recv(bytesOf(received), into.from);
    if (!into || !target || !received || received === target) continue;
    if (into.action === 'add') reduceInto([target, received], op === 'mean' ? 'sum' : op, [target]);
    else target.set(received);
  }
}
