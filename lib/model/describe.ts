/**
 * Describes a compiled model as plain data, so that a worker can rebuild it.
 */
import * as tf from '@tensorflow/tfjs';
import {ManyHandsError, messageOf, shown, withCode} from '../base/errors';
import {importModule, moduleUrl} from '../base/modules';
import {listOf, type Check} from '../base/options';
import type {FunctionReference, ModelDescription, WeightDescription} from './description';
import {innerLayers} from './layerState';
import {modelWeights, type LiveModel} from './modelWeights';
import {describeState} from './optimizerState';
import {
  callArgumentsOf,
  compiledModel,
  innerModel,
  isCompiled,
  type LayerWeight,
} from './tfjsInternals';
import {omittedConfig} from './tfjsLayers';

/**
 * An entry of the option `modules`: a module's URL, or one of its exports that the model was
 * compiled with.
 */
export type ModuleReference = string | {module: string; export?: string};

/** What the option `modules` must be. */
export const moduleList: Check = listOf("modules' URLs, or of {module, export}", {
  expected: 'a URL, or {module, export}',
  accepts: (entry) =>
    typeof entry === 'string' || typeof (entry as {module?: unknown} | null)?.module === 'string',
});

/** Finds a reference for each function that a model was compiled with. */
class References {
  private readonly known = new Map<unknown, FunctionReference>();
  constructor() {
    for (const group of ['losses', 'metrics'] as const) {
      for (const [name, value] of Object.entries(tf[group])) {
        if (typeof value === 'function') this.known.set(value, {tfjs: group, name});
      }
    }
  }
  async addModules(modules: ModuleReference[]): Promise<void> {
    for (const entry of modules) {
      if (typeof entry === 'string') continue;
      const name = entry.export ?? 'default';
      const value = (await importModule(entry.module))[name];
      if (typeof value !== 'function') {
        throw new ManyHandsError(
          'BAD_OPTION',
          `modules names the export '${name}' of ${entry.module}, which is ${shown(value)}: it must be a function.`,
        );
      }
      this.known.set(value, {module: moduleUrl(entry.module), export: name});
    }
  }
  of(value: unknown, what: string): FunctionReference {
    if (typeof value === 'string') return value;
    // A bundler or a notebook may have loaded the module a second time, so the text is compared
    // too.
    const known =
      this.known.get(value) ??
      [...this.known].find(([candidate]) => String(candidate) === String(value))?.[1];
    if (known) return known;
    throw new ManyHandsError(
      'BAD_MODEL',
      `the model was compiled with ${shown(value)} as its ${what}. A function cannot cross to a worker process: export it from a module file, ` +
        `import it from there for compile(), and name it as modules: [{module: new URL('./${what}.mjs', import.meta.url).href, export: '...'}]; or use tfjs's name of a built-in one.`,
    );
  }
  resolveAll<T>(value: unknown, what: string): T {
    if (Array.isArray(value)) return value.map((part) => this.resolveAll(part, what)) as T;
    if (value !== null && typeof value === 'object') {
      return Object.fromEntries(
        Object.entries(value).map(([key, part]) => [key, this.resolveAll(part, what)]),
      ) as T;
    }
    return this.of(value, what) as T;
  }
}

/** Whether `value` looks like a tf.LayersModel: what a second copy of tfjs makes does. */
function isLikeModel(value: unknown): value is tf.LayersModel {
  const {getClassName, fit, layers} = (value ?? {}) as Partial<tf.LayersModel>;
  return typeof getClassName === 'function' && typeof fit === 'function' && Array.isArray(layers);
}

/** Throws BAD_MODEL if `model` is not a tf.LayersModel; `call` is the function's name. */
export function requireModel(call: string, model: unknown): asserts model is tf.LayersModel {
  if (!(model instanceof tf.LayersModel)) {
    if (isLikeModel(model))
      throw new ManyHandsError(
        'BAD_MODEL',
        `the model '${model.name}' was made by a second copy of @tensorflow/tfjs, whose tensors and layers many-hands cannot use. ` +
          "Keep one copy: `npm ls @tensorflow/tfjs` lists them and `npm dedupe` removes the second; or build the model with the tf of this copy: import {tf} from 'many-hands'.",
      );
    throw new ManyHandsError(
      'BAD_MODEL',
      `${call} needs a tf.LayersModel (tf.sequential or tf.model); it got ${shown(model)}.`,
    );
  }
}

/** Throws BAD_MODEL if `model` is not a compiled tf.LayersModel with weights. */
export function requireCompiled(call: string, model: unknown): asserts model is tf.LayersModel {
  requireModel(call, model);
  if (!isCompiled(model)) {
    throw new ManyHandsError(
      'BAD_MODEL',
      "the model is not compiled: call model.compile({optimizer: 'sgd', loss: 'meanSquaredError'}) first.",
    );
  }
  if (!model.built) {
    throw new ManyHandsError(
      'BAD_MODEL',
      'the model has no weights yet: give its first layer an inputShape.',
    );
  }
}

/**
 * Makes the layers of a model describe what tfjs leaves out, until the returned function is called.
 */
function completeConfigs(model: tf.LayersModel): () => void {
  const completed: tf.layers.Layer[] = [];
  const visit = (layer: tf.layers.Layer) => {
    innerLayers(layer).forEach(visit);
    const omitted = omittedConfig(layer);
    if (Object.keys(omitted).length === 0) return;
    const described = layer.getConfig();
    layer.getConfig = () => ({...described, ...omitted});
    completed.push(layer);
  };
  innerLayers(model).forEach(visit);
  return () => {
    for (const layer of completed) Reflect.deleteProperty(layer, 'getConfig');
  };
}

/** The arguments of `apply` whose tensors are inputs of the layer's node too. */
const AMONG_INPUTS = ['initialState', 'constants'];

/**
 * The model's layers as JSON. tfjs leaves out tensors among the arguments of `apply` and warns of
 * it. Nothing is lost with the states of a recurrent layer; other tensors are refused.
 */
function topologyOf(model: tf.LayersModel): object {
  const {warn} = console;
  const left: string[] = [];
  console.warn = (...words: unknown[]) => {
    const [, name] = /^Layer (.+) was passed non-serializable/.exec(String(words[0])) ?? [];
    if (name === undefined) warn(...words);
    else left.push(name);
  };
  const restore = completeConfigs(model);
  let text: string;
  try {
    // Not toJSON, which writes names in another style: 'my_mode' would come back as 'myMode'.
    text = JSON.stringify(model.getConfig());
  } finally {
    console.warn = warn;
    restore();
  }
  for (const layer of model.layers.filter(({name}) => left.includes(name)))
    for (const name of callArgumentsOf(layer).flatMap(Object.keys))
      if (!AMONG_INPUTS.includes(name))
        throw new ManyHandsError(
          'BAD_MODEL',
          `the layer '${layer.name}' was applied with the argument '${name}', which tfjs cannot write as JSON: give it as an input of the layer.`,
        );
  return JSON.parse(text) as object;
}

function describeWeight({originalName, shape, dtype}: LayerWeight): WeightDescription {
  return {name: originalName, shape, dtype};
}

function describeOptimizer(optimizer: tf.Optimizer): ModelDescription['optimizer'] {
  try {
    return {className: optimizer.getClassName(), config: optimizer.getConfig()};
  } catch (error) {
    throw withCode(error, 'BAD_MODEL', 'the optimizer cannot be described for a worker');
  }
}

/** The parts of a description that callbacks may change: the optimizer, and what is frozen. */
export function describeProgress({
  weights,
  optimizer,
}: LiveModel): Pick<ModelDescription, 'optimizer' | 'optimizerState' | 'frozen'> {
  return {
    optimizer: describeOptimizer(optimizer),
    optimizerState: describeState(optimizer),
    frozen: [...weights.keys()].filter((index) => !weights[index].read().trainable),
  };
}

/**
 * Indices in `weights` of the weights that were trainable when the model was compiled: tfjs's fit
 * trains these, as far as they are still trainable. Throws BAD_MODEL.
 */
function trainableWeights(model: tf.LayersModel, weights: readonly LayerWeight[]): number[] {
  const compiled = compiledModel(model).collectedTrainableWeights ?? [];
  const trainable = compiled.map((weight) => weights.indexOf(weight));
  const missing = trainable.indexOf(-1);
  if (missing >= 0)
    throw new ManyHandsError(
      'BAD_MODEL',
      `the model was compiled with the weight '${compiled[missing].originalName}', which its layers no longer have: call compile() again.`,
    );
  const twice = trainable.find((index, i) => trainable.indexOf(index) < i);
  if (twice !== undefined)
    throw new ManyHandsError(
      'BAD_MODEL',
      `the model lists the weight '${weights[twice].originalName}' twice, so fit would update it twice in each step: let the trainableWeights of a layer of your own name each weight once.`,
    );
  if (trainable.length > 0 && trainable.every((index) => !weights[index].read().trainable))
    throw new ManyHandsError(
      'BAD_MODEL',
      'every weight that the model was compiled to train is frozen now: set trainable to true on a layer, or call compile() after the layers that are to be trained are unfrozen.',
    );
  return trainable;
}

/** The weights of `model`, as its description lists them, and the optimizer that trains it. */
export function liveModel(model: tf.LayersModel): LiveModel {
  return {weights: modelWeights(model), optimizer: innerModel(model).optimizer};
}

/**
 * Describes `model`; `call` is the function that needs it. Throws BAD_MODEL if it is not compiled,
 * cannot be rebuilt, has nothing to train or holds a function that no module exports, and
 * BAD_OPTION for a wrong entry of `modules`.
 */
export async function describeModel(
  model: tf.LayersModel,
  modules: ModuleReference[] = [],
  call = 'train',
): Promise<ModelDescription> {
  requireCompiled(call, model);
  const references = new References();
  await references.addModules(modules);
  const compiled = compiledModel(model);
  let topology: object;
  try {
    topology = topologyOf(model);
  } catch (error) {
    throw new ManyHandsError(
      'BAD_MODEL',
      `the model cannot be described for a worker: ${messageOf(error)}`,
      {cause: error},
    );
  }
  const live = liveModel(model);
  const {weights} = live;
  return {
    topology,
    className: model.getClassName(),
    loss: references.resolveAll(compiled.loss, 'loss'),
    metrics: compiled.metrics ? references.resolveAll(compiled.metrics, 'metric') : null,
    ...describeProgress(live),
    weights: weights.map(describeWeight),
    trainable: trainableWeights(model, weights),
    modules: modules.map((entry) => moduleUrl(typeof entry === 'string' ? entry : entry.module)),
  };
}
