/**
 * Data in the shapes that a model takes, to measure its steps with.
 */
import * as tf from '@tensorflow/tfjs';
import type {ShapedArray} from '../base/arrays';
import {
  compiledModel,
  symbolicInputs,
  symbolicOutputs,
  type SymbolicTensor,
} from '../model/tfjsInternals';
import {targetShape} from '../step/objective';

/**
 * Inputs and targets of `samples` samples, all elements alike: the time that a layer takes does not
 * depend on its values.
 */
export function syntheticData(
  model: tf.LayersModel,
  samples: number,
): {xs: ShapedArray[]; ys: ShapedArray[]} {
  const compiled = compiledModel(model);
  const shapeOf = ({shape}: SymbolicTensor) => [
    samples,
    ...shape.slice(1).map((length) => length ?? 1),
  ];
  const filled = (shape: number[], isInteger: boolean): ShapedArray => {
    const size = tf.util.sizeFromShape(shape);
    return {values: isInteger ? new Int32Array(size) : new Float32Array(size).fill(0.1), shape};
  };
  const xs = symbolicInputs(model).map((input) => filled(shapeOf(input), input.dtype === 'int32'));
  const ys = symbolicOutputs(model).map((output, i) => {
    const {shape, sparse} = targetShape(compiled, i, shapeOf(output));
    return filled(shape, sparse);
  });
  return {xs, ys};
}
