/**
 * Fields of tfjs's layer classes that tfjs's types do not show (tfjs-layers 4.22). Each function
 * returns the layer itself, which must be of the class that the function names.
 */
import * as tf from '@tensorflow/tfjs';

interface Activation {
  apply(x: tf.Tensor): tf.Tensor;
  getClassName(): string;
}

export interface DenseFields {
  units: number;
  kernel: tf.LayerVariable;
  bias: tf.LayerVariable | null;
  activation: Activation | null;
}

export const denseFields = (layer: tf.layers.Layer) => layer as unknown as DenseFields;

/** The name of the function of an Activation, Dense or Conv2D layer; undefined without one. */
export function activationName(layer: tf.layers.Layer): string | undefined {
  return (layer as unknown as {activation?: Activation | null}).activation?.getClassName();
}

export interface EmbeddingFields {
  inputDim: number;
  embeddings: tf.LayerVariable;
}

export const embeddingFields = (layer: tf.layers.Layer) => layer as unknown as EmbeddingFields;

export interface Conv2DFields {
  filters: number;
  dataFormat: string;
}

export const conv2dFields = (layer: tf.layers.Layer) => layer as unknown as Conv2DFields;

export interface DropoutFields {
  rate: number;
  noiseShape?: ReadonlyArray<number | null> | null;
}

export const dropoutFields = (layer: tf.layers.Layer) => layer as unknown as DropoutFields;

/** A cell keeps its masks from one position to the next. */
interface CellFields {
  dropoutMask: tf.Tensor | tf.Tensor[] | null;
  recurrentDropoutMask: tf.Tensor | tf.Tensor[] | null;
  /** A function of the user's that replaces dropout in the cell. */
  dropoutFunc?: unknown;
}

export const cellFields = (layer: tf.layers.Layer) => layer as unknown as Partial<CellFields>;

/** The layers inside a layer, such as a wrapper's layer or the cells of an RNN, at any depth. */
export function innerLayers(layer: tf.layers.Layer): tf.layers.Layer[] {
  const seen = new Set([layer]);
  for (const outer of seen)
    for (const field of Object.values(outer as unknown as Record<string, unknown>))
      for (const inner of Array.isArray(field) ? (field as unknown[]) : [field])
        if (inner instanceof tf.layers.Layer) seen.add(inner);
  seen.delete(layer);
  return [...seen];
}

const cellsOf = new WeakMap<tf.layers.Layer, CellFields[]>();

/** Disposes of the dropout masks that the cells inside a recurrent layer keep. */
export function disposeCellMasks(layer: tf.layers.Layer): void {
  let cells = cellsOf.get(layer);
  if (!cells) {
    cells = innerLayers(layer)
      .map((inner) => inner as unknown as CellFields)
      .filter((inner) => 'dropoutMask' in inner && 'recurrentDropoutMask' in inner);
    cellsOf.set(layer, cells);
  }
  for (const cell of cells) {
    tf.dispose([cell.dropoutMask ?? [], cell.recurrentDropoutMask ?? []]);
    cell.dropoutMask = null;
    cell.recurrentDropoutMask = null;
  }
}

interface Weight {
  read(): tf.Variable;
}

export interface BatchNormFields {
  axis: number;
  momentum: number;
  epsilon: number;
  gamma?: Weight | null;
  beta?: Weight | null;
  movingMean: Weight;
  movingVariance: Weight;
}

export const batchNormFields = (layer: tf.layers.Layer) => layer as unknown as BatchNormFields;

/** The dims that a LayerNormalization averages over, counted from 0 once the layer is built. */
export function normalizedAxes(layer: tf.layers.Layer): number[] {
  return [(layer as unknown as {axis: number | number[]}).axis].flat();
}

export interface MaskingFields {
  supportsMasking: boolean;
  /** Of an Embedding: whether token 0 is masked. */
  maskZero?: boolean;
  /** Of a recurrent layer: whether its output has a position for each of its input's. */
  returnSequences?: boolean;
  computeMask(
    inputs: tf.Tensor | tf.Tensor[],
    mask?: tf.Tensor | tf.Tensor[] | null,
  ): tf.Tensor | tf.Tensor[] | null;
}

/** What any layer says of masks. */
export const maskingFields = (layer: tf.layers.Layer) => layer as unknown as MaskingFields;
