/**
 * A model again, from its description.
 */
import * as tf from '@tensorflow/tfjs';
import {ManyHandsError, messageOf} from '../base/errors';
import {importModule} from '../base/modules';
import type {FunctionReference, ModelDescription} from './description';
import {innerModel} from './inner';
import {withFreedStorage} from './freeStorage';

type AnyFunction = (...args: unknown[]) => unknown;

async function resolve(reference: unknown): Promise<unknown> {
  if (Array.isArray(reference)) return Promise.all(reference.map(resolve));
  if (typeof reference === 'string' || reference === null) return reference;
  const one = reference as Exclude<FunctionReference, string> | Record<string, FunctionReference>;
  if ('tfjs' in one && typeof one.name === 'string')
    return (tf[one.tfjs as 'losses'] as unknown as Record<string, AnyFunction>)[one.name];
  if ('module' in one && typeof one.module === 'string')
    return (await importModule(one.module))[one.export as string];
  const entries = await Promise.all(
    Object.entries(one).map(async ([key, value]) => [key, await resolve(value)]),
  );
  return Object.fromEntries(entries);
}

function rebuildOptimizer({className, config}: ModelDescription['optimizer']): tf.Optimizer {
  const entry = tf.serialization.SerializationMap.getMap().classNameMap[className];
  if (!entry) {
    throw new ManyHandsError(
      'BAD_MODEL',
      `the optimizer class '${className}' is not registered in the worker: register it with tf.serialization.registerClass in a module, and name that module in modules.`,
    );
  }
  const [optimizerClass, fromConfig] = entry;
  return fromConfig(
    optimizerClass,
    config as tf.serialization.ConfigDict,
  ) as unknown as tf.Optimizer;
}

/** What tfjs knows of all variables of the process. */
const registered = () =>
  (tf.engine() as unknown as {state: {registeredVariables: Record<string, tf.Variable>}}).state
    .registeredVariables;

/** Builds; where that fails, the layers that were made already are gone. */
async function buildOrNothing(build: () => Promise<tf.LayersModel>): Promise<tf.LayersModel> {
  const before = new Set(Object.values(registered()));
  try {
    return await build();
  } catch (error) {
    for (const variable of Object.values(registered()))
      if (!before.has(variable)) variable.dispose();
    throw error;
  }
}

/**
 * Rebuilds and compiles; the weights are tfjs's initial ones until `readModel` fills them, or with
 * `parked` none at all.
 */
export async function rebuildModel(
  description: ModelDescription,
  parked = false,
): Promise<tf.LayersModel> {
  for (const module of description.modules) await importModule(module);
  let model: tf.LayersModel;
  try {
    const build = () =>
      tf.models.modelFromJSON({modelTopology: description.topology} as Parameters<
        typeof tf.models.modelFromJSON
      >[0]);
    model = await buildOrNothing(() => (parked ? withFreedStorage(build) : build()));
  } catch (error) {
    // A refusal under a memory limit says more than we could.
    if (error instanceof ManyHandsError) throw error;
    throw new ManyHandsError(
      'BAD_MODEL',
      `the model could not be rebuilt in a worker: ${messageOf(error)} Layer classes of your own must be registered there too: put each with its ` +
        'tf.serialization.registerClass into a module file, and name it as modules: [url].',
      {cause: error},
    );
  }
  const weights = (model as unknown as {weights: Array<{originalName: string; shape: number[]}>})
    .weights;
  description.weights.forEach((weight, i) => {
    if (
      weights[i]?.originalName === weight.name &&
      String(weights[i].shape) === String(weight.shape)
    )
      return;
    throw new ManyHandsError(
      'BAD_MODEL',
      `the rebuilt model's weight ${i} is '${weights[i]?.originalName}' of shape [${weights[i]?.shape}], the caller's is '${weight.name}' of shape [${weight.shape}]: check getConfig() of the layer that owns it.`,
    );
  });
  model.compile({
    optimizer: rebuildOptimizer(description.optimizer),
    loss: (await resolve(description.loss)) as string,
    metrics: ((await resolve(description.metrics)) as string[] | null) ?? undefined,
  });
  const inner = innerModel(model) as unknown as {collectedTrainableWeights: unknown[]};
  inner.collectedTrainableWeights = description.trainable.map((place) => weights[place]);
  return model;
}

/** A compiled model, with what its optimizer keeps. */
export function disposeModel(model: tf.LayersModel): void {
  model.optimizer.dispose();
  model.dispose();
}
