/**
 * What this library reads or sets of tfjs although tfjs's types do not show it: models, weights,
 * graphs, optimizers and the engine (tfjs-layers and tfjs-core 4.22). Fields of single layer
 * classes are in tfjsLayers.ts, its random operations in tfjsRandom.ts. A new version of tfjs can
 * break only these three files, `lib/devices` and the two hooks of `lib/memory`.
 */
import * as tf from '@tensorflow/tfjs';

/** A weight of a layer; two layers may share its variable. */
export interface LayerWeight {
  /** Grows with each weight that the process makes. */
  readonly id: number;
  /** Unlike `name`, it does not depend on what else the process has made. */
  readonly originalName: string;
  shape: number[];
  readonly dtype: 'float32' | 'int32' | 'bool';
  /** The variable that `read` returns. */
  val: tf.Variable;
  read(): tf.Variable;
}

interface WeightedLike {
  weights: LayerWeight[];
  nonTrainableWeights: LayerWeight[];
}

/** A layer's or a model's weights; their order depends on what is trainable now. */
export function weightsOf(layer: tf.layers.Layer | tf.LayersModel): LayerWeight[] {
  return (layer as unknown as WeightedLike).weights;
}

export function nonTrainableWeightsOf(layer: tf.layers.Layer | tf.LayersModel): LayerWeight[] {
  return (layer as unknown as WeightedLike).nonTrainableWeights;
}

/** A loss or a metric: targets and output to one number a sample, or a position. */
export type LossFunction = (target: tf.Tensor, output: tf.Tensor) => tf.Tensor;

/** What `compile` made of its arguments. */
export interface CompiledModel {
  /** As it was given: a name or a function, one for each output, or by the outputs' names. */
  loss: unknown;
  metrics: unknown;
  lossFunctions: LossFunction[];
  outputNames: string[];
  /** Each metric with the index of its output. */
  metricsTensors: Array<[LossFunction, number]>;
  /** The trainable weights when the model was compiled, in the optimizer's order. */
  collectedTrainableWeights?: LayerWeight[];
  getDedupedMetricsNames(): string[];
}

interface ModelLike {
  /** A Sequential keeps a functional model inside. */
  model?: tf.LayersModel;
  optimizer_?: tf.Optimizer;
  inputNames: string[];
  outputNames: string[];
  isTraining: boolean;
  stopTraining_?: boolean;
  inputs: SymbolicTensor[];
  outputs: SymbolicTensor[];
}

const modelLike = (model: tf.LayersModel) => model as unknown as ModelLike;

/** The functional model inside a Sequential, or the model itself: tfjs compiles that one. */
export const innerModel = (model: tf.LayersModel): tf.LayersModel =>
  modelLike(model).model ?? model;

export function isCompiled(model: tf.LayersModel): boolean {
  return modelLike(model).optimizer_ !== undefined;
}

/** What `compile` made; of a model that is not compiled the fields are undefined. */
export function compiledModel(model: tf.LayersModel): CompiledModel {
  return innerModel(model) as unknown as CompiledModel;
}

/** What the model was compiled with for an output: a name or a function. */
export function compiledLoss(
  {loss, outputNames}: Pick<CompiledModel, 'loss' | 'outputNames'>,
  output: number,
): unknown {
  if (Array.isArray(loss)) return loss[output];
  if (loss !== null && typeof loss === 'object')
    return (loss as Record<string, unknown>)[outputNames[output]];
  return loss;
}

/** The names of the model's inputs and outputs, by which fit takes data too. */
export function dataNamesOf(model: tf.LayersModel): {inputs: string[]; outputs: string[]} {
  const {inputNames: inputs, outputNames: outputs} = modelLike(model);
  return {inputs, outputs};
}

/** Whether `fit` or `train` is running on the model; `inner` as `innerModel` returns it. */
export function isTraining(inner: tf.LayersModel): boolean {
  return modelLike(inner).isTraining;
}

export function setTraining(inner: tf.LayersModel, training: boolean): void {
  modelLike(inner).isTraining = training;
}

/** The flag that a callback such as `earlyStopping` sets; `inner` as `innerModel` returns it. */
export function stopsTraining(inner: tf.LayersModel): boolean {
  return modelLike(inner).stopTraining_ === true;
}

export function setStopTraining(inner: tf.LayersModel, stop: boolean): void {
  modelLike(inner).stopTraining_ = stop;
}

/** A tensor of the model's graph before there are values; null in its shape is open. */
export interface SymbolicTensor {
  readonly id: number;
  readonly shape: Array<number | null>;
  readonly dtype: tf.DataType;
  readonly sourceLayer: GraphLayer;
  /** Which application of `sourceLayer` makes it. */
  readonly nodeIndex: number;
}

/** One application of a layer. */
export interface LayerNode {
  readonly inputTensors: SymbolicTensor[];
  readonly outputTensors: SymbolicTensor[];
  /** The second argument of `apply`; null without one. */
  readonly callArgs: Record<string, unknown> | null;
}

/** A layer as its model's graph has it. */
type GraphLayer = tf.layers.Layer & {readonly inboundNodes: LayerNode[]};

/** A model, or a model that is a layer of another one. */
export interface Container {
  readonly name: string;
  readonly inputs: SymbolicTensor[];
  readonly outputs: SymbolicTensor[];
}

export function containerOf(model: tf.LayersModel): Container {
  return model as unknown as Container;
}

/** The layer as a nested model; null for a plain layer. */
export function nestedModel(layer: tf.layers.Layer | tf.LayersModel): Container | null {
  const {layers, inputs, outputs} = layer as unknown as Partial<Container> & {layers?: unknown};
  return Array.isArray(layers) && Array.isArray(inputs) && Array.isArray(outputs)
    ? (layer as unknown as Container)
    : null;
}

/** A container with the layers and the nodes that belong to it. */
interface FullContainer extends Container {
  readonly layers: GraphLayer[];
  /** The keys (`layerNodeKey`) of the applications that its outputs need. */
  readonly containerNodes: ReadonlySet<string>;
}

/** The arguments that a layer was applied with, by application. */
export function callArgumentsOf(layer: tf.layers.Layer): Array<Record<string, unknown>> {
  return (layer as GraphLayer).inboundNodes.map(({callArgs}) => callArgs ?? {});
}

/** `nestedModel` with what the container consists of. */
export function nestedContainer(layer: tf.layers.Layer | tf.LayersModel): FullContainer | null {
  return nestedModel(layer) as FullContainer | null;
}

/** The name of a layer's application in `containerNodes`. */
export const layerNodeKey = ({name}: tf.layers.Layer, node: number) => `${name}_ib-${node}`;

export function symbolicInputs(model: tf.LayersModel): SymbolicTensor[] {
  return modelLike(model).inputs;
}

export function symbolicOutputs(model: tf.LayersModel): SymbolicTensor[] {
  return modelLike(model).outputs;
}

/** The penalties on a layer's weights (tfjs: regularizers). */
export function penaltyFunctions(layer: tf.layers.Layer): Array<() => tf.Scalar> {
  return (layer as unknown as {losses: Array<() => tf.Scalar>}).losses;
}

type AddWeight = (this: tf.layers.Layer, ...args: unknown[]) => tf.LayerVariable;

/** What all layers inherit, for a method that is replaced for a while. */
export function layerPrototype(): {addWeight: AddWeight} {
  return tf.layers.Layer.prototype as unknown as {addWeight: AddWeight};
}

/** Points a variable to another buffer; the caller keeps the engine's reference counts right. */
export function setDataId(variable: tf.Variable, dataId: object): void {
  (variable as unknown as {dataId: object}).dataId = dataId;
}

/** One of tfjs's own losses or metrics. */
export function tfjsFunction(group: 'losses' | 'metrics', name: string): unknown {
  return (tf[group] as unknown as Record<string, unknown>)[name];
}

/** An optimizer of a registered class; null for a class that is not. */
export function optimizerFromConfig(className: string, config: object): tf.Optimizer | null {
  const entry = tf.serialization.SerializationMap.getMap().classNameMap[className];
  if (!entry) return null;
  const [optimizerClass, fromConfig] = entry;
  const optimizer: unknown = fromConfig(optimizerClass, config as tf.serialization.ConfigDict);
  return optimizer as tf.Optimizer;
}

/** A model of a registered class, from what its `getConfig` gave. Throws what tfjs throws. */
export function modelFromConfig(className: string, config: object): tf.LayersModel {
  const [modelClass, fromConfig] =
    tf.serialization.SerializationMap.getMap().classNameMap[className];
  const model: unknown = fromConfig(modelClass, config as tf.serialization.ConfigDict);
  return model as tf.LayersModel;
}

/** An optimizer's own fields by name: its settings, counters and accumulated state. */
export function optimizerFields(optimizer: tf.Optimizer): Record<string, unknown> {
  return optimizer as unknown as Record<string, unknown>;
}

/**
 * The learning rate of tfjs's SGD as its update uses it: a scalar of its own, the negative rate,
 * which `setLearningRate` replaces and a write to `learningRate` does not.
 */
export function negativeRate(optimizer: tf.SGDOptimizer): tf.Scalar {
  return (optimizer as unknown as {c: tf.Scalar}).c;
}

/** One recorded operation (tfjs-core, tape.ts). */
export interface TapeNode {
  id: number;
  kernelName: string;
  inputs: Record<string, tf.Tensor>;
  outputs: tf.Tensor[];
  gradient?: (dys: Array<tf.Tensor | null>) => Record<string, () => tf.Tensor>;
  saved: tf.Tensor[];
}

export interface EngineInternals {
  state: {
    gradientDepth: number;
    activeTape: TapeNode[] | null;
    scopeStack: unknown[];
    activeScope: {track: tf.Tensor[]};
    /** All variables of the process, by name. */
    registeredVariables: Record<string, tf.Variable>;
  };
  startScope(name?: string): void;
  endScope(result?: tf.Tensor | tf.Tensor[]): void;
  disposeTensor(tensor: tf.Tensor): void;
  incRef(tensor: tf.Tensor, backend: null): void;
}

export function engineInternals(): EngineInternals {
  return tf.engine() as unknown as EngineInternals;
}
