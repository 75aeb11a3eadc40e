/**
 * The error of ranks that do not agree on a call.
 */
import {ManyHandsError} from '../base/errors';
import type {CallDescriptor} from './types';

function words({operation, algorithm, op, root, length, type, sequence}: CallDescriptor): string {
  const details = [op, algorithm && `algorithm '${algorithm}'`, root !== null && `root ${root}`]
    .filter(Boolean)
    .join(', ');
  return `${operation}${details ? ` (${details})` : ''} of ${length.toLocaleString('en-US')} ${type}, call number ${sequence}`;
}

/**
 * What rank `own` throws; `calls`: every rank's, in the order of `names`, the ranks as the whole
 * team knows them. Ranks that make the same call stand together.
 */
export function mismatch(own: number, calls: CallDescriptor[], names: number[]): ManyHandsError {
  const sides = new Map<string, number[]>();
  calls.forEach((call, i) => sides.set(words(call), [...(sides.get(words(call)) ?? []), names[i]]));
  const text = [...sides]
    .map(([call, ranks]) => `rank${ranks.length > 1 ? 's' : ''} ${ranks.join(', ')}: ${call}`)
    .join('; ');
  return new ManyHandsError(
    'COLLECTIVE_MISMATCH',
    `the ranks do not make the same call, found by rank ${own} before any number was sent. ${text}. Every rank must make the same calls in the same order, with arrays of one length and type: look for an if around a call, or data that differs between ranks.`,
  );
}
