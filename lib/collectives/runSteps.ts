/**
 * Either side. Runs an algorithm's list of steps as one rank sees it.
 */
import type {Step} from './algorithms';
import {partStart, type Numbers, type ReduceOp, type Transport} from './types';

export function bytesOf(array: Numbers): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

function combine(into: Numbers, from: Numbers, op: ReduceOp): void {
  if (op === 'max') for (let i = 0; i < into.length; i++) into[i] = Math.max(into[i], from[i]);
  else for (let i = 0; i < into.length; i++) into[i] += from[i];
}

/** Sends and receives this rank's messages; `op` says what 'add' does, a mean being a sum that is divided later. */
export async function runSteps(steps: Step[], transport: Transport, array: Numbers, op: ReduceOp): Promise<void> {
  const {rank, size} = transport;
  const view = ({first, last}: {first: number; last: number}) => array.subarray(partStart(first, array.length, size), partStart(last, array.length, size));
  for (const step of steps) {
    const out = step.find((message) => message.from === rank);
    const into = step.find((message) => message.to === rank);
    const target = into && view(into);
    // What is added must not overwrite what is still being sent.
    const room = into && target && (into.action === 'add' || out ? target.slice() : target);
    if (out && room) await transport.exchange(bytesOf(view(out)), out.to, bytesOf(room), into.from);
    else if (out) await transport.send(bytesOf(view(out)), out.to);
    else if (room) await transport.recv(bytesOf(room), into.from);
    if (!into || !target || !room || room === target) continue;
    if (into.action === 'add') combine(target, room, op);
    else target.set(room);
  }
}
