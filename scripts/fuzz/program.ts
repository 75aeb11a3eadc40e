/**
 * A training program as plain data: what the fuzzer draws, runs, shrinks and prints.
 */

/** An option's value: plain JSON, a JavaScript expression, or a layer. */
export type Value =
  | null
  | boolean
  | number
  | string
  | Value[]
  | {js: string}
  | {spec: LayerSpec}
  | {[name: string]: Value};

export interface LayerSpec {
  /** The name of its function in tf.layers. */
  kind: string;
  options: Record<string, Value>;
}

/** Names a value of a graph: an input, a node, or one output of a node: 'x0', 'n1', 'n1.2'. */
export type Ref = string;

export interface NodeSpec {
  id: string;
  /** A layer, a nested model, or an earlier node whose layer is applied again. */
  what: {layer: LayerSpec} | {nested: GraphSpec} | {again: string};
  inputs: Ref[];
  /** The initial states of a recurrent layer. */
  states?: Ref[];
  /** Sets `trainable` to false before compile, or after it. */
  frozen?: 'before' | 'after';
}

export interface InputSpec {
  id: string;
  /** Without the samples. */
  shape: number[];
  /** The inputs are whole numbers below this one. */
  tokens?: number;
  dtype?: 'int32';
  /** Some positions are all zero, for layers that mask them. */
  zeros?: boolean;
}

export interface GraphSpec {
  inputs: InputSpec[];
  nodes: NodeSpec[];
  outputs: Ref[];
  /** Written as tf.sequential: the graph is a chain. */
  sequential: boolean;
}

export type TargetKind = 'real' | 'positive' | 'sign' | 'binary' | 'oneHot' | 'shares' | 'classes';

export interface ObjectiveSpec {
  loss: Value;
  target: TargetKind;
  metrics: Value[];
}

/** Something that a callback does, once: at the event number `index`. */
export interface ActionSpec {
  event: 'onEpochBegin' | 'onEpochEnd' | 'onBatchBegin' | 'onBatchEnd';
  index: number;
  /** Statements that use `model`. */
  js: string;
}

/** One run that is compared: `train`, or `trainParallel` with a strategy. */
export interface RunSpec {
  name: string;
  devices: number;
  strategy?: Value;
  options: Record<string, Value>;
}

export interface Program {
  seed: number;
  graph: GraphSpec;
  /** One for each output. */
  objectives: ObjectiveSpec[];
  /** How losses and metrics are given to compile. */
  form: 'first' | 'list' | 'byName';
  optimizer: string;
  samples: number;
  /** The first dimension of all inputs has this fixed size. */
  fixedBatch: boolean;
  /** Whether the names of layers put them into blocks. */
  blocks: boolean;
  /** Options of fit and train alike. */
  fit: {batchSize: number; epochs: number; [name: string]: Value};
  /** The number of samples of validationData; 0 for none. */
  validationSamples: number;
  classWeight: Record<string, number> | null;
  /** fit has no sample weights, so `train` is the reference. */
  sampleWeight: boolean;
  actions: ActionSpec[];
  /** A class callback, such as earlyStopping. */
  callback: string | null;
  /** Whether each batch's logs are compared too. */
  observesBatches: boolean;
  runs: RunSpec[];
}

/** The options if the condition holds. */
export const maybe = (condition: boolean, options: Record<string, Value>) =>
  condition ? options : {};

/** The layer in an option's value; null if there is none. */
export function layerIn(value: Value): LayerSpec | null {
  if (typeof value !== 'object' || value === null || !('spec' in value)) return null;
  return (value as {spec: LayerSpec}).spec;
}

/** A layer and all layers in its options. */
export function layersWithin(layer: LayerSpec): LayerSpec[] {
  const values = Object.values(layer.options).flatMap((value) =>
    Array.isArray(value) ? value : [value],
  );
  const inner = values.map(layerIn).filter((layer) => layer !== null);
  return [layer, ...inner.flatMap(layersWithin)];
}

/** All layers of a graph, with those of wrappers and nested models. */
export function layersOf(graph: GraphSpec): LayerSpec[] {
  return graph.nodes.flatMap(({what}) => {
    if ('layer' in what) return layersWithin(what.layer);
    return 'nested' in what ? layersOf(what.nested) : [];
  });
}

/** The id of the node or input that a reference names. */
export const ownerOf = (ref: Ref): string => ref.split('.')[0];

/** The graph without the nodes and inputs that no output depends on. */
export function prune(graph: GraphSpec): GraphSpec {
  const needed = new Set(graph.outputs.map(ownerOf));
  for (const node of [...graph.nodes].reverse()) {
    if (!needed.has(node.id)) continue;
    for (const ref of [...node.inputs, ...(node.states ?? [])]) needed.add(ownerOf(ref));
    if ('again' in node.what) needed.add(node.what.again);
  }
  return {
    ...graph,
    nodes: graph.nodes.filter(({id}) => needed.has(id)),
    inputs: graph.inputs.filter(({id}) => needed.has(id)),
  };
}

const RATES = ['rate', 'stddev', 'dropout', 'recurrentDropout'];

/** Whether a layer draws random numbers. */
const draws = ({options}: LayerSpec) => RATES.some((name) => Number(options[name] ?? 0) > 0);

export const isRandom = (program: Program): boolean => layersOf(program.graph).some(draws);

/** The same program without randomness, so that fit can be compared. */
export function quiet(program: Program): Program {
  const copy = structuredClone(program);
  for (const {options} of layersOf(copy.graph))
    for (const name of RATES) if (name in options) options[name] = 0;
  return copy;
}

/** Whether a layer uses statistics of the batch, so that micro-batches change the numbers. */
export const usesBatchStatistics = (program: Program): boolean =>
  layersOf(program.graph).some(({kind}) => kind === 'batchNormalization');
