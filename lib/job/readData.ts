/**
 * Reads `{xs, ys}` in every form that fit takes, and says what to write where it is something else.
 */
import * as tf from '@tensorflow/tfjs';
import type {ArrayValues, Data, DataModule, DataPart, ShapedArray} from '../base/arrays';
import {isInstance, ManyHandsError, shown} from '../base/errors';
import {nearest} from '../base/nearest';

/** The names by which a model's data may be given. */
export interface DataNames {
  inputs: readonly string[];
  outputs: readonly string[];
}

/** The inputs and targets of a model, in the order of the model's inputs and outputs. */
export interface Arrays {
  xs: ShapedArray[];
  ys: ShapedArray[];
}

export function isModule(data: Data): data is DataModule {
  return typeof (data as DataModule)?.module === 'string';
}

function refuse(message: string): never {
  throw new ManyHandsError('BAD_DATA', message);
}

const MODULE =
  "export it from a module file and give {module: new URL('./data.mjs', import.meta.url).href}";

type Methods = Partial<Record<'forEachAsync' | 'iterator' | 'next', unknown>>;

/** Refuses what `fitDataset` takes. */
function refuseDataset(data: object, what: string): void {
  const {forEachAsync, iterator, next} = data as Methods;
  const isDataset = typeof iterator === 'function' && typeof forEachAsync === 'function';
  if (!isDataset && typeof next !== 'function') return;
  refuse(
    `${what} is ${isDataset ? 'a tf.data.Dataset' : 'an iterator'}, which cannot cross to a worker process. Give all its samples together, {xs, ys}, or a function that makes {xs, ys}: ${MODULE}.`,
  );
}

/** Reads one array. */
function readArray(array: unknown, what: string): ShapedArray {
  if (array instanceof tf.Tensor) {
    if (array.isDisposed) refuse(`${what} is a tensor that has been disposed of.`);
    if (array.dtype === 'string' || array.dtype === 'complex64')
      refuse(`${what} is a tensor of type ${array.dtype}; models take float32, int32 and bool.`);
    return {values: array.dataSync() as ArrayValues, shape: array.shape};
  }
  if (ArrayBuffer.isView(array))
    refuse(
      `${what} is ${shown(array)}, which has no shape: give {values, shape: [samples, ...]}, or a tensor.`,
    );
  if (isListOfNumbers(array))
    refuse(
      `${what} is a JavaScript array of numbers: make a tensor of it, tf.tensor(...), whose first dim counts the samples.`,
    );
  if (array === null || typeof array !== 'object' || Array.isArray(array))
    refuse(`${what} must be a tensor, or {values, shape}; it is ${shown(array)}.`);
  return array as ShapedArray;
}

function isListOfNumbers(value: unknown): boolean {
  if (!Array.isArray(value)) return false;
  const [first] = value as unknown[];
  return typeof first === 'number' || typeof first === 'boolean' || isListOfNumbers(first);
}

/** Arrays by the names of the model's inputs or outputs, in the model's order. */
function readByName(
  part: Record<string, unknown>,
  what: string,
  names: readonly string[],
  noun: string,
): ShapedArray[] {
  const known = `the model's ${noun}s are ${names.map((name) => `'${name}'`).join(', ')}`;
  for (const name of Object.keys(part)) {
    if (names.includes(name)) continue;
    const similar = nearest(name, names, Math.max(2, name.length / 2));
    const hint = similar === undefined ? '' : ` Did you mean '${similar}'?`;
    refuse(`${what} names '${name}', which is no ${noun} of the model: ${known}.${hint}`);
  }
  return names.map((name) => {
    const array = part[name];
    if (array === null || array === undefined)
      refuse(`${what} has no array for the ${noun} '${name}': ${known}.`);
    return readArray(array, `${what}.${name}`);
  });
}

/** An object of arrays by name: neither a shaped array nor an instance of a class. */
function isByName(part: unknown): part is Record<string, unknown> {
  if (typeof part !== 'object' || part === null || Array.isArray(part)) return false;
  return !isInstance(part) && !ArrayBuffer.isView((part as Partial<ShapedArray>).values);
}

function readPart(
  part: DataPart,
  what: string,
  names: readonly string[],
  noun: string,
): ShapedArray[] {
  if (Array.isArray(part) && !isListOfNumbers(part))
    return part.map((array, i) => readArray(array, `${what}${part.length > 1 ? `[${i}]` : ''}`));
  if (isByName(part) && !('values' in part && 'shape' in part))
    return readByName(part, what, names, noun);
  return [readArray(part, what)];
}

/**
 * Returns the arrays of `{xs, ys}` as lists in the order of the model's inputs and outputs; reads
 * tensors. Throws BAD_DATA for other values, and for names that the model does not have.
 */
export function readArrays(data: Data, what: string, {inputs, outputs}: DataNames): Arrays {
  if (typeof data === 'function')
    refuse(`${what} is a function, which cannot cross to a worker: ${MODULE}.`);
  if (typeof data === 'object' && data !== null) refuseDataset(data, what);
  if (
    data === null ||
    typeof data !== 'object' ||
    isModule(data) ||
    !('xs' in data) ||
    !('ys' in data)
  )
    refuse(`${what} must be {xs, ys}, or {module} that opens it; it is ${shown(data)}.`);
  return {
    xs: readPart(data.xs, `${what}.xs`, inputs, 'input'),
    ys: readPart(data.ys, `${what}.ys`, outputs, 'output'),
  };
}
