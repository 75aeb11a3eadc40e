/**
 * Checks that data fits a model: in the caller if it passes arrays, in the worker if it opens a
 * module.
 */
import type * as tf from '@tensorflow/tfjs';
import type {ShapedArray} from '../base/arrays';
import {ManyHandsError, shown} from '../base/errors';
import {compiledLoss, compiledModel} from '../model/tfjsInternals';

/**
 * Inputs and targets as lists of shaped arrays. Every array has at least two dimensions, and all
 * have the same number of samples.
 */
export interface CheckedData {
  xs: ShapedArray[];
  ys: ShapedArray[];
  samples: number;
}

type Shape = Array<number | null>;

const text = (shape: Shape) => `[${shape.map((dim) => dim ?? 'n').join(', ')}]`;
/** As in fit, the samples' dim may be any, also if the model's batch size is fixed. */
const fits = (shape: number[], wanted: Shape) =>
  shape.length === wanted.length &&
  wanted.every((dim, i) => i === 0 || dim === null || dim === shape[i]);

/** As in fit, a list of n numbers becomes a column of shape [n, 1]. */
function column(array: ShapedArray): ShapedArray {
  return array.shape.length === 1 ? {...array, shape: [array.shape[0], 1]} : array;
}

function checkArray(array: ShapedArray, what: string): ShapedArray {
  const {values, shape} = array;
  const isArray =
    values instanceof Uint8Array || values instanceof Int32Array || values instanceof Float32Array;
  if (!isArray || !Array.isArray(shape)) {
    throw new ManyHandsError(
      'BAD_DATA',
      `${what} must be a tensor, or {values, shape} with a Uint8Array, Int32Array or Float32Array; it is ${shown(array)}.`,
    );
  }
  const size = shape.reduce((product, dim) => product * dim, 1);
  if (shape.length === 0 || size !== values.length) {
    throw new ManyHandsError(
      'BAD_DATA',
      `${what} has ${values.length} values, but its shape ${text(shape)} needs ${size}.`,
    );
  }
  return column(array);
}

function checkTarget(array: ShapedArray, output: Shape, loss: unknown, what: string): void {
  if (typeof loss === 'string' && loss.startsWith('sparse')) {
    const classes = output.slice(0, -1);
    if (fits(array.shape, classes) || fits(array.shape, [...classes, 1])) return;
    throw new ManyHandsError(
      'BAD_DATA',
      `${what} has shape ${text(array.shape)}; the loss '${loss}' needs one class number for each prediction: ${text([...classes, 1])}.`,
    );
  }
  if (fits(array.shape, output)) return;
  const hint =
    loss === 'categoricalCrossentropy' && array.shape[array.shape.length - 1] === 1
      ? " Class numbers go with the loss 'sparseCategoricalCrossentropy'."
      : '';
  throw new ManyHandsError(
    'BAD_DATA',
    `${what} has shape ${text(array.shape)}; the model's output has ${text(output)}.${hint}`,
  );
}

/**
 * Checks shapes and counts against `model`. Throws BAD_DATA with both shapes; `what` names the data
 * in the message.
 */
export function checkData(
  model: tf.LayersModel,
  xs: ShapedArray[],
  ys: ShapedArray[],
  what: string,
): CheckedData {
  const inputs = model.inputs.map((input) => input.shape as Shape);
  const outputs = model.outputs.map((output) => output.shape as Shape);
  if (xs.length !== inputs.length)
    throw new ManyHandsError(
      'BAD_DATA',
      `${what}.xs has ${xs.length} array(s); the model has ${inputs.length} input(s).`,
    );
  if (ys.length !== outputs.length)
    throw new ManyHandsError(
      'BAD_DATA',
      `${what}.ys has ${ys.length} array(s); the model has ${outputs.length} output(s).`,
    );
  const name = (part: string, list: unknown[], i: number) =>
    `${what}.${part}${list.length > 1 ? `[${i}]` : ''}`;
  const checkedXs = xs.map((array, i) => checkArray(array, name('xs', xs, i)));
  const checkedYs = ys.map((array, i) => checkArray(array, name('ys', ys, i)));
  const samples = checkedXs[0].shape[0];
  [...checkedXs, ...checkedYs].forEach((array, i) => {
    if (array.shape[0] === samples) return;
    const here = i < xs.length ? name('xs', xs, i) : name('ys', ys, i - xs.length);
    throw new ManyHandsError(
      'BAD_DATA',
      `${here} has ${array.shape[0]} samples, ${name('xs', xs, 0)} has ${samples}: they must agree.`,
    );
  });
  if (samples === 0) throw new ManyHandsError('BAD_DATA', `${what} has no samples.`);
  checkedXs.forEach((array, i) => {
    if (fits(array.shape, inputs[i])) return;
    throw new ManyHandsError(
      'BAD_DATA',
      `${name('xs', xs, i)} has shape ${text(array.shape)}; the model's input has ${text(inputs[i])}.`,
    );
  });
  const compiled = compiledModel(model);
  checkedYs.forEach((array, i) => {
    const loss = compiledLoss(compiled, i);
    // A custom loss may compare an output with targets of any shape.
    if (typeof loss === 'string') checkTarget(array, outputs[i], loss, name('ys', ys, i));
  });
  return {xs: checkedXs, ys: checkedYs, samples};
}
