/**
 * The messages between a caller and a worker that every job has; jobs add their own.
 */
import {ManyHandsError, messageOf, type ErrorCode} from '../base/errors';

/** An error as it crosses a channel. */
export interface CrossedError {
  name: string;
  message: string;
  code?: ErrorCode;
  stack?: string;
}

/**
 * From the caller: one job at a time, then `interrupt` while it runs, or the answer to a question
 * of the job's.
 */
export type ToWorker =
  | {type: 'job'; name: string; job: unknown}
  | {type: 'interrupt'}
  | {type: 'answer'; id: number; value: unknown};

/** From a worker. `tell` is a job's own news; `ask` waits for the `answer` with its id. */
export type FromWorker =
  | {type: 'ready'; engine: string; gpu: boolean; reason: string | null}
  | {type: 'tell'; value: unknown}
  | {type: 'ask'; id: number; value: unknown}
  | {type: 'done'; value: unknown}
  | {type: 'failed'; error: CrossedError};

export function crossError(thrown: unknown): CrossedError {
  if (!(thrown instanceof Error)) return {name: 'Error', message: messageOf(thrown)};
  const code = thrown instanceof ManyHandsError ? thrown.code : undefined;
  return {name: thrown.name, message: thrown.message, code, stack: thrown.stack};
}

/** The error again, with the worker's stack as its cause. */
export function uncrossError(crossed: CrossedError, where: string): Error {
  const cause = new Error(crossed.message);
  cause.stack = crossed.stack;
  return new ManyHandsError(
    crossed.code ?? 'WORKER',
    crossed.code
      ? crossed.message
      : `${where}: ${crossed.name === 'Error' ? '' : `${crossed.name}: `}${crossed.message}`,
    {cause},
  );
}
