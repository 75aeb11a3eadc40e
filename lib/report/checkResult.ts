/**
 * Checks that a report gets the result of a run.
 */
import {checkValue} from '../base/options';

/**
 * Checks that `result` has the `fields` that the function `call` reads. Throws BAD_OPTION.
 */
export function checkResult(call: string, result: unknown, fields: readonly string[]): void {
  checkValue(call, 'its argument', result, {
    expected: 'a result of train or trainParallel',
    accepts: (value) =>
      fields.every((field) => {
        const part = (value as Record<string, unknown> | null | undefined)?.[field];
        return typeof part === 'object' && part !== null;
      }),
  });
}
