/**
 * The error for ranks that do not make the same call.
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
 * The error that `rank` throws. `calls` holds every rank's call in the order of `worldRanks`, the
 * ranks in the whole run. The message groups ranks that make the same call.
 */
export function mismatch(
  rank: number,
  calls: CallDescriptor[],
  worldRanks: number[],
): ManyHandsError {
  const ranksByCall = new Map<string, number[]>();
  for (const [i, call] of calls.entries())
    ranksByCall.set(words(call), [...(ranksByCall.get(words(call)) ?? []), worldRanks[i]]);
  const text = [...ranksByCall]
    .map(([call, ranks]) => `rank${ranks.length > 1 ? 's' : ''} ${ranks.join(', ')}: ${call}`)
    .join('; ');
  return new ManyHandsError(
    'COLLECTIVE_MISMATCH',
    `the ranks do not make the same call, found by rank ${rank} before any number was sent. ${text}. Every rank must make the same calls in the same order, with arrays of the same length and type: look for an if around a call, or data that differs between ranks.`,
  );
}
