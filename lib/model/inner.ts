/**
 * Where tfjs keeps what compile() made: a Sequential has a functional model of its own
 * inside.
 */
import type * as tf from '@tensorflow/tfjs';

/** The functional model inside a Sequential, or the model itself. */
export function innerModel(model: tf.LayersModel): tf.LayersModel {
  return (model as unknown as {model?: tf.LayersModel}).model ?? model;
}
