/**
 * Checks of what a program passes to a collective; every check throws BAD_OPTION.
 */
import {oneOf, shown} from '../base/errors';
import {refuseOption} from '../base/options';
import type {Numbers, NumberType, OperationName, ReduceOp} from './types';

const OPS: readonly ReduceOp[] = ['sum', 'mean', 'max'];

export const typeOf = (array: Numbers): NumberType =>
  array instanceof Float32Array ? 'float32' : 'int32';

export function checkArray(operation: OperationName, array: unknown, rank: number): void {
  if (array instanceof Float32Array || array instanceof Int32Array) return;
  refuseOption(
    `${operation} on rank ${rank} wants a Float32Array or an Int32Array; it got ${shown(array)}.`,
  );
}

/** `name` is what the message calls the rank. */
export function checkRank(name: string, rank: unknown, size: number): number {
  if (Number.isInteger(rank) && (rank as number) >= 0 && (rank as number) < size)
    return rank as number;
  return refuseOption(`${name} must be a rank from 0 to ${size - 1}; it is ${shown(rank)}.`);
}

export function checkOp(op: ReduceOp, array: Numbers): void {
  if (!OPS.includes(op)) refuseOption(`op must be ${oneOf(OPS)}; it is ${shown(op)}.`);
  if (op === 'mean' && array instanceof Int32Array)
    refuseOption(
      "op 'mean' of an Int32Array would cut off fractions: copy it into a Float32Array, or take the 'sum'.",
    );
}

/** The ranks of a new group, as rank `rank` of `size` asks for it. */
export function checkGroup(ranks: unknown, rank: number, size: number): void {
  if (!Array.isArray(ranks) || ranks.length === 0)
    refuseOption(`group wants a list of ranks; it is ${shown(ranks)}.`);
  for (const member of ranks) checkRank('a rank of a group', member, size);
  if (new Set(ranks).size < ranks.length)
    refuseOption(`group names a rank twice: ${ranks.join(', ')}.`);
  if (!ranks.includes(rank))
    refuseOption(
      `rank ${rank} asks for a group of ${ranks.join(', ')}, to which it does not belong: only the ranks of a group may call group.`,
    );
}
