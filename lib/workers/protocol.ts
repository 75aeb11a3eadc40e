/**
 * The messages between a caller and a worker that all jobs share; jobs add their own.
 */
import {ManyHandsError, messageOf, type ErrorCode} from '../base/errors';

/** An error as it is sent through a channel. */
export interface CrossedError {
  name: string;
  message: string;
  code?: ErrorCode;
  stack?: string;
}

/**
 * From the caller: one job at a time. While the job runs, also `interrupt` and the answers to the
 * job's questions.
 */
export type ToWorker =
  | {type: 'job'; name: string; job: unknown}
  | {type: 'interrupt'}
  | {type: 'answer'; id: number; value: unknown};

/** From a worker. `tell` is news of the job; `ask` waits for the `answer` with its id. */
export type FromWorker =
  | {type: 'ready'; engine: string; gpu: boolean; reason: string | null}
  | {type: 'tell'; value: unknown}
  | {type: 'ask'; id: number; value: unknown}
  | {type: 'done'; value: unknown}
  | {type: 'failed'; error: CrossedError};

/** Makes an error ready to be sent. */
export function crossError(thrown: unknown): CrossedError {
  if (!(thrown instanceof Error)) return {name: 'Error', message: messageOf(thrown)};
  const code = thrown instanceof ManyHandsError ? thrown.code : undefined;
  return {name: thrown.name, message: thrown.message, code, stack: thrown.stack};
}

/** The error as it is thrown on the other side; its cause has the worker's stack. */
export function uncrossError(crossed: CrossedError, where: string): Error {
  const cause = new Error(crossed.message);
  cause.stack = crossed.stack;
  if (crossed.code) return new ManyHandsError(crossed.code, crossed.message, {cause});
  const name = crossed.name === 'Error' ? '' : `${crossed.name}: `;
  return new ManyHandsError('WORKER', `${where}: ${name}${crossed.message}`, {cause});
}
