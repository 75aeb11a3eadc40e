/**
 * Rebuilds a model from its description.
 */
import * as tf from '@tensorflow/tfjs';
import {ManyHandsError, messageOf} from '../base/errors';
import {importModule} from '../base/modules';
import type {FunctionReference, ModelDescription} from './description';
import {withoutInitializers} from './freeStorage';
import {disposeStates} from './layerState';
import {setLayerDraws} from './layerDraws';
import {describedWeights, matchWeights, modelWeights, rememberWeights} from './modelWeights';
import {isKnownClass} from './tfjsClasses';
import {
  compiledModel,
  engineInternals,
  modelFromConfig,
  optimizerFields,
  optimizerFromConfig,
  tfjsFunction,
} from './tfjsInternals';
import {variablesOf} from './weights';
import {watchDraws, type Watched} from './watchDraws';

async function resolve(reference: unknown): Promise<unknown> {
  if (Array.isArray(reference)) return Promise.all(reference.map(resolve));
  if (typeof reference === 'string' || reference === null) return reference;
  const known = reference as Exclude<FunctionReference, string> | Record<string, FunctionReference>;
  if ('tfjs' in known && typeof known.name === 'string')
    return tfjsFunction(known.tfjs as 'losses' | 'metrics', known.name);
  if ('module' in known && typeof known.module === 'string')
    return (await importModule(known.module))[known.export as string];
  const entries = await Promise.all(
    Object.entries(known).map(async ([key, value]) => [key, await resolve(value)]),
  );
  return Object.fromEntries(entries);
}

function rebuildOptimizer({
  optimizer: {className, config},
  optimizerState,
}: ModelDescription): tf.Optimizer {
  const optimizer = optimizerFromConfig(className, config);
  if (!optimizer) {
    throw new ManyHandsError(
      'BAD_MODEL',
      `the optimizer class '${className}' is not registered in the worker: register it with tf.serialization.registerClass in a module, and name that module in modules.`,
    );
  }
  // A field that was set after the optimizer was made is not always in its configuration.
  Object.assign(optimizerFields(optimizer), optimizerState.fields);
  return optimizer;
}

const variablesOfProcess = () => Object.values(engineInternals().state.registeredVariables);

/** Builds a model; if that fails, disposes of the layers that were already made. */
async function buildOrCleanUp(build: () => Promise<tf.LayersModel>): Promise<tf.LayersModel> {
  const before = new Set(variablesOfProcess());
  try {
    return await build();
  } catch (error) {
    for (const variable of variablesOfProcess()) if (!before.has(variable)) variable.dispose();
    throw error;
  }
}

/** Throws BAD_MODEL if a layer drew random numbers while it was made: the caller's has others. */
function checkBuilding({layers}: tf.LayersModel, {draws, uniforms}: Watched): void {
  if (uniforms === 0 && draws.every(({fixed}) => fixed !== null)) return;
  const names = layers.filter((layer) => !isKnownClass(layer)).map(({name}) => `'${name}'`);
  throw new ManyHandsError(
    'BAD_MODEL',
    `a layer of the model (${names.join(', ')}) draws random numbers while it is made or built, so that a worker has others than the model: draw them in call(), keep them in a weight (this.addWeight with trainable false), or draw them with a seed.`,
  );
}

/** Makes the model of a topology. Throws BAD_MODEL. */
async function buildTopology(
  {className, topology}: ModelDescription,
  storageFreed: boolean,
): Promise<tf.LayersModel> {
  try {
    let build!: Promise<tf.LayersModel>;
    const drawn = watchDraws(() => {
      // tfjs writes into a configuration that it reads.
      build = withoutInitializers(
        async () => modelFromConfig(className, structuredClone(topology)),
        storageFreed,
      );
    });
    const model = await build;
    checkBuilding(model, drawn);
    return model;
  } catch (error) {
    // The error of a memory limit says more than this one would.
    if (error instanceof ManyHandsError) throw error;
    throw new ManyHandsError(
      'BAD_MODEL',
      `the model could not be rebuilt in a worker: ${messageOf(error)} Layer classes of your own must be registered there too: put each with its ` +
        'tf.serialization.registerClass into a module file, and name it as modules: [url].',
      {cause: error},
    );
  }
}

async function buildAndCompile(
  description: ModelDescription,
  storageFreed: boolean,
): Promise<tf.LayersModel> {
  const model = await buildTopology(description, storageFreed);
  const weights = matchWeights(modelWeights(model), description.weights);
  rememberWeights(model, weights);
  model.compile({
    optimizer: rebuildOptimizer(description),
    loss: (await resolve(description.loss)) as string,
    metrics: ((await resolve(description.metrics)) as string[] | null) ?? undefined,
  });
  compiledModel(model).collectedTrainableWeights = description.trainable.map(
    (index) => weights[index],
  );
  // fit asks a variable whether it is trained, and never its layer. `compile` sets the flags of a
  // Sequential, so they come last.
  const frozen = new Set(description.frozen);
  for (const [index, weight] of weights.entries()) weight.read().trainable = !frozen.has(index);
  setLayerDraws(model, description.draws ?? []);
  return model;
}

/**
 * Rebuilds and compiles a model. No initializer runs: the weights are zeros until they are loaded,
 * and with `storageFreed` they have no memory. Throws BAD_MODEL.
 */
export async function rebuildModel(
  description: ModelDescription,
  storageFreed = false,
): Promise<tf.LayersModel> {
  for (const module of description.modules) await importModule(module);
  return buildOrCleanUp(() => buildAndCompile(description, storageFreed));
}

/**
 * A second model with the values that the weights of `model` have now, and an optimizer without
 * state. The values are shared until one of the two models changes them. Throws BAD_MODEL.
 */
export async function copyModel(
  model: tf.LayersModel,
  description: ModelDescription,
): Promise<tf.LayersModel> {
  const copy = await rebuildModel(description);
  const sources = modelWeights(model);
  for (const [i, weight] of describedWeights(copy).entries())
    weight.read().assign(sources[i].read());
  return copy;
}

/** Disposes of a compiled model, of its optimizer's state and of its layers' states. */
export function disposeModel(model: tf.LayersModel): void {
  const {optimizer} = model;
  const variables = variablesOf(model);
  disposeStates(model);
  optimizer.dispose();
  model.dispose();
  // tfjs 4.22 keeps the weights of a layer that is applied several times, and the rate of momentum.
  tf.dispose(variables.filter((variable) => !variable.isDisposed));
  for (const field of Object.values(optimizerFields(optimizer)))
    if (field instanceof tf.Tensor && !field.isDisposed) field.dispose();
}
