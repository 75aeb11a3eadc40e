/** What tests that are to be refused get. */
import {expect} from 'vitest';
import {ManyHandsError} from '#lib/base/errors.js';

/** The error with which `run` is refused; fails where it is not. */
export async function refusal(run: Promise<unknown>): Promise<ManyHandsError> {
  const error = await run.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(error, 'nothing was refused').toBeInstanceOf(ManyHandsError);
  return error as ManyHandsError;
}
