/**
 * A model's weights and its optimizer's state as bytes, one tensor after the other.
 */
import * as tf from '@tensorflow/tfjs';
import type {ModelDescription, OptimizerState, WeightDescription} from './description';
import type {LiveModel} from './modelWeights';
import {restoreState, stateShapes, stateTensors} from './optimizerState';
import {weightsOf} from './tfjsInternals';

type Values = Float32Array | Int32Array | Uint8Array;

const size = (shape: number[]) => shape.reduce((product, length) => product * length, 1);
// Every tensor starts at a multiple of 4 bytes: a bool before a float must not shift its view.
const padded = (bytes: number) => Math.ceil(bytes / 4) * 4;
const bytesOf = (weight: WeightDescription) =>
  padded(size(weight.shape) * (weight.dtype === 'bool' ? 1 : 4));

/** The variables of a model's or a layer's weights; their order depends on what is trainable. */
export function variablesOf(model: tf.LayersModel | tf.layers.Layer): tf.Variable[] {
  return weightsOf(model).map((weight) => weight.read());
}

/** The position of one tensor in a buffer, in bytes. */
export interface Piece {
  offset: number;
  /** A multiple of 4. */
  bytes: number;
}

/**
 * The positions at which `writeModel` puts the weights and the tensors of the optimizer's state.
 */
export function layoutOf(
  description: Pick<ModelDescription, 'weights'>,
  state: OptimizerState,
): {weights: Piece[]; state: Piece[]} {
  let offset = 0;
  const next = (bytes: number): Piece => {
    const piece = {offset, bytes};
    offset += bytes;
    return piece;
  };
  return {
    weights: description.weights.map((weight) => next(bytesOf(weight))),
    state: stateShapes(state).map((shape) => next(4 * size(shape))),
  };
}

/** Bytes of the weights and the optimizer's state together. */
export function modelBytes(
  description: Pick<ModelDescription, 'weights'>,
  state: OptimizerState,
): number {
  const {weights, state: tensors} = layoutOf(description, state);
  return [...weights, ...tensors].reduce((sum, {bytes}) => sum + bytes, 0);
}

/** A view of a weight's values in a buffer, as an array of the weight's type. */
export function valuesAt(
  buffer: ArrayBuffer,
  offset: number,
  {shape, dtype}: Pick<WeightDescription, 'shape' | 'dtype'>,
): Values {
  const length = size(shape);
  if (dtype === 'bool') return new Uint8Array(buffer, offset, length);
  return dtype === 'int32'
    ? new Int32Array(buffer, offset, length)
    : new Float32Array(buffer, offset, length);
}

/** Copies a model's weights, then its optimizer's state, into `buffer`. */
export function writeModel(
  live: LiveModel,
  weights: WeightDescription[],
  state: OptimizerState,
  buffer: ArrayBuffer,
): void {
  const layout = layoutOf({weights}, state);
  live.weights.forEach((weight, i) =>
    valuesAt(buffer, layout.weights[i].offset, weights[i]).set(weight.read().dataSync() as Values),
  );
  stateTensors(live.optimizer, state).forEach((tensor, i) =>
    new Float32Array(buffer, layout.state[i].offset, tensor.size).set(
      tensor.dataSync() as Float32Array,
    ),
  );
}

/** Copies values into a variable. */
export function assignValues(
  variable: tf.Variable,
  values: Values,
  {shape, dtype}: Pick<WeightDescription, 'shape' | 'dtype'>,
): void {
  tf.tidy(() => variable.assign(tf.tensor(values.slice(), shape, dtype)));
}

/** Copies what `writeModel` wrote into a model with the same weights. */
export function readModel(
  live: LiveModel,
  weights: WeightDescription[],
  state: OptimizerState,
  buffer: ArrayBuffer,
): void {
  const layout = layoutOf({weights}, state);
  live.weights.forEach((weight, i) =>
    assignValues(weight.read(), valuesAt(buffer, layout.weights[i].offset, weights[i]), weights[i]),
  );
  restoreState(
    live.optimizer,
    state,
    layout.state.map(({offset, bytes}) => new Float32Array(buffer, offset, bytes / 4).slice()),
  );
}
