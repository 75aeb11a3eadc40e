/**
 * Either side. A model's weights and its optimizer's state as bytes, one tensor after the other.
 */
import * as tf from '@tensorflow/tfjs';
import type {ModelDescription, OptimizerState, WeightDescription} from './description';
import {restoreState, stateShapes, stateTensors} from './optimizerState';

type Values = Float32Array | Int32Array | Uint8Array;

const size = (shape: number[]) => shape.reduce((product, length) => product * length, 1);
// Every tensor starts at a multiple of 4 bytes, so that a bool before it does not shift a float's view.
const padded = (bytes: number) => Math.ceil(bytes / 4) * 4;
const bytesOf = (weight: WeightDescription) => padded(size(weight.shape) * (weight.dtype === 'bool' ? 1 : 4));

interface WeightLike {
  read(): tf.Tensor;
}
const weightsOf = (model: tf.LayersModel) => (model as unknown as {weights: WeightLike[]}).weights;

/** Bytes of the weights and of the optimizer's state together. */
export function modelBytes(description: Pick<ModelDescription, 'weights'>, state: OptimizerState): number {
  const weights = description.weights.reduce((sum, weight) => sum + bytesOf(weight), 0);
  return weights + stateShapes(state).reduce((sum, shape) => sum + 4 * size(shape), 0);
}

/** Where one tensor's bytes lie. */
export interface Piece {
  at: number;
  /** A multiple of 4. */
  bytes: number;
}

/** Where `writeModel` puts each weight, and each tensor of the optimizer's state. */
export function layoutOf(description: Pick<ModelDescription, 'weights'>, state: OptimizerState): {weights: Piece[]; state: Piece[]} {
  let at = 0;
  const next = (bytes: number): Piece => {
    const piece = {at, bytes};
    at += bytes;
    return piece;
  };
  return {weights: description.weights.map((weight) => next(bytesOf(weight))), state: stateShapes(state).map((shape) => next(4 * size(shape)))};
}

function view(buffer: ArrayBuffer, at: number, weight: WeightDescription): Values {
  const length = size(weight.shape);
  if (weight.dtype === 'bool') return new Uint8Array(buffer, at, length);
  return weight.dtype === 'int32' ? new Int32Array(buffer, at, length) : new Float32Array(buffer, at, length);
}

/** Copies the model's weights, then its optimizer's state, into `buffer`. */
export function writeModel(model: tf.LayersModel, weights: WeightDescription[], state: OptimizerState, buffer: ArrayBuffer): void {
  let at = 0;
  weightsOf(model).forEach((weight, i) => {
    view(buffer, at, weights[i]).set(weight.read().dataSync() as Values);
    at += bytesOf(weights[i]);
  });
  for (const tensor of stateTensors(model.optimizer, state)) {
    new Float32Array(buffer, at, tensor.size).set(tensor.dataSync() as Float32Array);
    at += 4 * tensor.size;
  }
}

/** Puts what `writeModel` wrote into a model of the same topology; nothing keeps a view of `buffer`. */
export function readModel(model: tf.LayersModel, weights: WeightDescription[], state: OptimizerState, buffer: ArrayBuffer): void {
  let at = 0;
  weightsOf(model).forEach((weight, i) => {
    const values = view(buffer, at, weights[i]).slice();
    tf.tidy(() => (weight.read() as tf.Variable).assign(tf.tensor(values, weights[i].shape, weights[i].dtype)));
    at += bytesOf(weights[i]);
  });
  const values = stateShapes(state).map((shape) => {
    const part = new Float32Array(buffer, at, size(shape)).slice();
    at += part.byteLength;
    return part;
  });
  restoreState(model.optimizer, state, values);
}
