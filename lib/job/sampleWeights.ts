/**
 * The weight of each sample in the loss, from the options `classWeight` and `sampleWeight`. tfjs's
 * fit has `classWeight` alone (tfjs-layers 4.22, training_utils.ts, standardizeWeights).
 */
import * as tf from '@tensorflow/tfjs';
import type {ShapedArray} from '../base/arrays';
import {ManyHandsError, shown} from '../base/errors';
import type {TrainOptions} from '../config/options';
import {dataNamesOf, symbolicOutputs} from '../model/tfjsInternals';
import type {CheckedData} from './checkData';

/**
 * For each output of the model the weights of its samples, [samples] or [samples, positions]; null
 * if all samples count the same.
 */
export type SampleWeights = Array<ShapedArray | null>;

type ClassWeight = Record<number, number>;

function refuse(message: string): never {
  throw new ManyHandsError('BAD_OPTION', message);
}

const text = (shape: ReadonlyArray<number | null>) =>
  `[${shape.map((dim) => dim ?? 'any').join(', ')}]`;

/**
 * Reads the option `sampleWeight`: a list of numbers, a typed array, a tensor, or {values, shape}.
 * Throws BAD_OPTION for anything else and for a weight that is not a finite number.
 */
export function readSampleWeight(
  weights: TrainOptions['sampleWeight'] | null | undefined,
): ShapedArray | null {
  if (weights === null || weights === undefined) return null;
  const {values, shape} = shapedWeights(weights);
  const floats = Float32Array.from(values);
  const bad = floats.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0)
    refuse(`sampleWeight must hold finite numbers; its number ${bad} is ${shown(values[bad])}.`);
  if (shape.reduce((product, dim) => product * dim, 1) !== floats.length)
    refuse(`sampleWeight has ${floats.length} numbers, but its shape is ${text(shape)}.`);
  // [samples, 1] says no more than [samples].
  const needed = [...shape];
  while (needed.length > 1 && needed[needed.length - 1] === 1) needed.pop();
  return {values: floats, shape: needed};
}

function shapedWeights(weights: unknown): {values: ArrayLike<number>; shape: number[]} {
  if (weights instanceof tf.Tensor && !weights.isDisposed)
    return {values: weights.dataSync() as Float32Array, shape: weights.shape};
  if (Array.isArray(weights) && weights.every((row) => Array.isArray(row))) {
    const columns = (weights as number[][]).map((row) => row.length);
    if (columns.some((length) => length !== columns[0]))
      refuse('sampleWeight is a list of rows, and they must be equally long.');
    return {values: (weights as number[][]).flat(), shape: [weights.length, columns[0] ?? 0]};
  }
  if (Array.isArray(weights) || (ArrayBuffer.isView(weights) && !(weights instanceof DataView)))
    return {values: weights as ArrayLike<number>, shape: [(weights as number[]).length]};
  const {values, shape} = (weights ?? {}) as Partial<ShapedArray>;
  if (ArrayBuffer.isView(values) && Array.isArray(shape)) return {values, shape};
  refuse(
    `sampleWeight must be a list of numbers, a typed array, a tensor, or {values, shape}; it is ${shown(weights)}.`,
  );
}

/** Every output's loss has a value for each of these dims: [samples], then any positions. */
function checkShape({shape}: ShapedArray, samples: number, model: tf.LayersModel): void {
  if (shape[0] !== samples)
    refuse(
      `sampleWeight has ${shape.length > 1 ? `shape ${text(shape)}` : `${shape[0]} numbers`}; the data has ${samples} samples.`,
    );
  const names = dataNamesOf(model).outputs;
  symbolicOutputs(model).forEach((output, i) => {
    // A loss has no value for each element of the output's last dim.
    const positions = output.shape.slice(1, -1);
    const weighed = shape.slice(1);
    const fits =
      weighed.length <= positions.length &&
      weighed.every((length, dim) => length === (positions[dim] ?? length));
    if (fits) return;
    const allowed = positions.map((_, dim) => text([samples, ...positions.slice(0, dim + 1)]));
    refuse(
      `sampleWeight has shape ${text(shape)}; the output '${names[i]}' has ${text(output.shape)}, so give one number for each sample, ${text([samples])}${allowed.map((one) => `, or ${one}`).join('')}.`,
    );
  });
}

/** The class of each sample: the number in its row, or the index of the largest element. */
function classesOf(array: ShapedArray, output: ReadonlyArray<number | null>): Float32Array {
  const row = array.values.length / array.shape[0];
  if (array.shape.length !== 2 || output.length !== 2)
    refuse(
      `classWeight needs one class for each sample: targets of shape [n, 1] or [n, classes], and an output [n, classes]. These targets have shape ${text(array.shape)}, the output ${text(output)}. As in fit, sequences have no class weights: give each position's weight as sampleWeight, a tensor [samples, positions].`,
    );
  const {values, scale = 1} = array;
  const classes = new Float32Array(array.shape[0]);
  for (let i = 0; i < classes.length; i++) {
    if (row === 1) {
      classes[i] = values[i] * scale;
      continue;
    }
    let best = 0;
    for (let j = 1; j < row; j++)
      if (values[i * row + j] * scale > values[i * row + best] * scale) best = j;
    classes[i] = best;
  }
  return classes;
}

/** The weights of each output's classes; `checkClassWeight` has checked them. */
function perOutput(classWeight: unknown, outputNames: string[]): Array<ClassWeight | null> {
  if (classWeight === null || classWeight === undefined) return outputNames.map(() => null);
  if (Array.isArray(classWeight)) return classWeight as ClassWeight[];
  const byName = classWeight as Record<string, unknown>;
  if (Object.values(byName).some((value) => typeof value === 'object'))
    return outputNames.map((name) => (byName[name] as ClassWeight) ?? null);
  return [byName as ClassWeight];
}

function classWeights(classes: Float32Array, weights: ClassWeight): Float32Array {
  return classes.map((name) => {
    const weight = weights[name];
    if (weight === undefined || weight === null)
      refuse(
        `classWeight has no weight for class ${name}, which is in the data; it has ${Object.keys(weights).join(', ')}.`,
      );
    return weight;
  });
}

/** Each sample's weight in `a` times its weight in `b`; `b` has one number a sample. */
function product(a: ShapedArray, b: Float32Array): ShapedArray {
  const row = a.values.length / a.shape[0];
  const values = Float32Array.from(a.values, (value, i) => value * b[Math.floor(i / row)]);
  return {values, shape: a.shape};
}

/**
 * Returns `classWeight` times `sampleWeight` for each output and sample. Throws BAD_OPTION for a
 * class without a weight, and for weights that do not fit the data or the outputs.
 */
export function sampleWeights(
  model: tf.LayersModel,
  data: CheckedData,
  classWeight: unknown,
  sampleWeight: ShapedArray | null,
): SampleWeights {
  if (sampleWeight) checkShape(sampleWeight, data.samples, model);
  const outputs = symbolicOutputs(model);
  return perOutput(classWeight, dataNamesOf(model).outputs).map((weights, i) => {
    if (!weights) return sampleWeight;
    const ofClasses = classWeights(classesOf(data.ys[i], outputs[i].shape), weights);
    return sampleWeight
      ? product(sampleWeight, ofClasses)
      : {values: ofClasses, shape: [data.samples]};
  });
}
