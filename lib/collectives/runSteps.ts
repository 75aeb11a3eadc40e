/**
 * Runs an algorithm's list of steps as one rank sees it.
 */
import type {Step} from './algorithms';
import {reduceInto} from './kernels';
import {partStart, type Numbers, type ReduceOp, type Transport} from './types';

export function bytesOf(array: Numbers): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/** Room for what arrives, kept by each rank: fresh memory would be paid for page by page. */
const rooms = new WeakMap<Transport, ArrayBuffer>();

function roomFor(transport: Transport, like: Numbers): Numbers {
  let room = rooms.get(transport);
  if (!room || room.byteLength < like.byteLength)
    rooms.set(transport, (room = new ArrayBuffer(like.byteLength)));
  const type = like.constructor as new (buffer: ArrayBuffer, at: number, length: number) => Numbers;
  return new type(room, 0, like.length);
}

/**
 * Sends and receives this rank's messages; `op` says what 'add' does, a mean being a sum that is
 * divided later.
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
    // What is added must not overwrite what is still being sent.
    const room =
      into && target && (into.action === 'add' || out ? roomFor(transport, target) : target);
    if (out && room) await transport.exchange(bytesOf(view(out)), out.to, bytesOf(room), into.from);
    else if (out) await transport.send(bytesOf(view(out)), out.to);
    else if (room) await transport.recv(bytesOf(room), into.from);
    if (!into || !target || !room || room === target) continue;
    if (into.action === 'add') reduceInto([target, room], op === 'mean' ? 'sum' : op, [target]);
    else target.set(room);
  }
}
