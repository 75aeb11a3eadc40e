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

/**
 * How many rows the table has in which a layer looks up its input of `rank` dims; null for a layer
 * that looks nothing up.
 */
export function lookupRows(layer: tf.layers.Layer, rank: number): number | null {
  if (layer.getClassName() === 'Embedding') return embeddingFields(layer).inputDim;
  // As a language model's head, a TokenEmbedding gets hidden states.
  if (layer.getClassName() === 'ManyHands>TokenEmbedding' && rank < 3)
    return (layer as unknown as {vocabulary: number}).vocabulary;
  return null;
}

export interface Conv2DFields {
  filters: number;
  dataFormat: string;
}

export const conv2dFields = (layer: tf.layers.Layer) => layer as unknown as Conv2DFields;

/**
 * What tfjs leaves out of a layer's configuration (tfjs-layers 4.22, convolutional.ts), so that a
 * layer that is rebuilt from it would differ.
 */
export function omittedConfig(layer: tf.layers.Layer): tf.serialization.ConfigDict {
  const isSeparable = layer.getClassName().startsWith('SeparableConv');
  const {depthMultiplier} = layer as unknown as {depthMultiplier: number};
  return isSeparable ? {depthMultiplier} : {};
}

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
export function layersInside(layer: tf.layers.Layer): tf.layers.Layer[] {
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
    cells = layersInside(layer)
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

/** A stateful RNN; a ConvLSTM2D too. */
export interface RecurrentFields {
  readonly name: string;
  readonly stateful: boolean;
  /** The states that the next call begins with; null if the layer has none, or was not built. */
  states_?: tf.Tensor[] | null;
  /** The states of earlier calls in training. */
  keptStates: tf.Tensor[][];
}

export const recurrentFields = (layer: tf.layers.Layer | tf.LayersModel) =>
  layer as unknown as RecurrentFields;

export interface WrapperFields {
  layer?: tf.layers.Layer;
  /** Of a Bidirectional: what it applies. */
  forwardLayer?: tf.layers.Layer;
  backwardLayer?: tf.layers.Layer;
  /** Of a recurrent layer. */
  cell?: tf.layers.Layer;
  /** Of stacked cells. */
  cells?: tf.layers.Layer[];
}

export const wrapperFields = (layer: tf.layers.Layer | tf.LayersModel) =>
  layer as unknown as WrapperFields;

/** The dims of the samples that a layer insists on, one for each input; null for any number. */
export function insistedSamples(layer: tf.layers.Layer): Array<number | null> {
  const {inputSpec} = layer as unknown as {
    inputSpec?: Array<{shape?: Array<number | null> | null} | null> | null;
  };
  return [inputSpec ?? []].flat().map((spec) => spec?.shape?.[0] ?? null);
}

export interface MaskingFields {
  supportsMasking: boolean;
  /** Of an Embedding: whether token 0 is masked. */
  maskZero?: boolean;
  /** Of a recurrent layer: whether its output has a position for each of its input's. */
  returnSequences?: boolean;
  /** The executor passes lists, also for a single input. */
  computeMask(
    inputs: tf.Tensor[],
    masks: Array<tf.Tensor | null>,
  ): tf.Tensor | Array<tf.Tensor | null> | null | undefined;
}

/** What any layer says of masks. */
export const maskingFields = (layer: tf.layers.Layer) => layer as unknown as MaskingFields;
