/**
 * Recognizes calls in the form of fit, such as `train(model, xs, ys)`, and says how to write them.
 */
import * as tf from '@tensorflow/tfjs';
import {isInstance, ManyHandsError} from './errors';

/**
 * Whether `value` is inputs or targets alone: a tensor, a typed array, a shaped array, or a list or
 * an object of these. `{xs, ys}` is not.
 */
function isBareData(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (value instanceof tf.Tensor || ArrayBuffer.isView(value)) return true;
  if (Array.isArray(value)) {
    const isNumber = (item: unknown) => typeof item === 'number' || typeof item === 'boolean';
    return value.length > 0 && value.every((item) => isNumber(item) || isBareData(item));
  }
  if (isInstance(value) || isPair(value)) return false;
  const parts = Object.values(value);
  return (
    ArrayBuffer.isView((value as {values?: unknown}).values) ||
    (parts.length > 0 && parts.every(isBareData))
  );
}

/** Whether `value` has the fields of `{xs, ys}`. */
const isPair = (value: object): boolean => 'xs' in value && 'ys' in value;

/**
 * Refuses `call(model, xs, ys, ...)`, where `data` is inputs alone and `next`, the argument after
 * it, may be the targets. `takes` names the arguments after the data and `write` is an example of
 * them. Throws BAD_DATA.
 */
export function refuseFitForm(
  call: string,
  data: unknown,
  next: unknown,
  {takes, write}: {takes: string; write: string},
): void {
  if (!isBareData(data)) return;
  const was = isBareData(next)
    ? `it was called as fit is, ${call}(model, xs, ys)`
    : 'its second argument is inputs without targets';
  throw new ManyHandsError(
    'BAD_DATA',
    `${call} takes (model, {xs, ys}, ${takes}); ${was}. Write ${call}(model, {xs, ys}, ${write}).`,
  );
}

/**
 * Refuses data where the options belong in `call(model, options)`, which needs none. Throws
 * BAD_OPTION.
 */
export function refuseData(call: string, options: unknown, write: string): void {
  const isData =
    isBareData(options) || (typeof options === 'object' && options !== null && isPair(options));
  if (!isData) return;
  throw new ManyHandsError(
    'BAD_OPTION',
    `${call} takes (model, options) and needs no data. Write ${call}(model, ${write}).`,
  );
}
