/**
 * A model's weights in an order that does not depend on what is trainable. The order of
 * `model.weights` does: tfjs lists trainable weights first.
 */
import type * as tf from '@tensorflow/tfjs';
import {ManyHandsError} from '../base/errors';
import type {WeightDescription} from './description';
import {nestedContainer, weightsOf, type LayerWeight} from './tfjsInternals';

/** A model's weights and its optimizer; unlike a model, they stay the same during a run. */
export interface LiveModel {
  weights: readonly LayerWeight[];
  optimizer: tf.Optimizer;
}

/**
 * The weights of a model, each once: layer by layer, nested models opened, and within a layer in
 * the order in which they were made. Throws BAD_MODEL if two layers hold the same weight and would
 * get two copies of it in a worker.
 */
export function modelWeights(model: tf.LayersModel): LayerWeight[] {
  const weights: LayerWeight[] = [];
  const pathByVariable = new Map<tf.Variable, string>();
  const visit = (layer: tf.layers.Layer, path: string) => {
    const nested = nestedContainer(layer)?.layers;
    if (nested) {
      for (const inner of nested) visit(inner, path ? `${path}/${inner.name}` : inner.name);
      return;
    }
    const sorted = [...new Set(weightsOf(layer))].sort((a, b) => a.id - b.id);
    for (const weight of sorted) {
      const variable = weight.read();
      const other = pathByVariable.get(variable);
      if (other === path) continue;
      if (other !== undefined)
        throw new ManyHandsError(
          'BAD_MODEL',
          `the layers '${other}' and '${path}' share the weight '${weight.originalName}', but tfjs describes them as two layers, so a worker would train two copies of it. ` +
            'Share one layer within one model: apply the same layer, or the same nested model, several times.',
        );
      pathByVariable.set(variable, path);
      weights.push(weight);
    }
  };
  visit(model, '');
  return weights;
}

const lastPart = (name: string) => name.slice(name.lastIndexOf('/') + 1);

/**
 * The weights of a rebuilt model in the order of the description: by name, and for names that tfjs
 * gave differently (a layer that was built before a wrapper took it) by the last part of the name
 * and the shape. Throws BAD_MODEL for a weight without a match.
 */
export function matchWeights(
  rebuilt: readonly LayerWeight[],
  described: readonly WeightDescription[],
): LayerWeight[] {
  const remaining = [...rebuilt];
  const take = (fits: (weight: LayerWeight) => boolean): LayerWeight | undefined => {
    const index = remaining.findIndex(fits);
    return index < 0 ? undefined : remaining.splice(index, 1)[0];
  };
  const matches = described.map(({name, shape}) =>
    take((weight) => weight.originalName === name && String(weight.shape) === String(shape)),
  );
  return matches.map((match, i) => {
    const {name, shape} = described[i];
    const weight =
      match ??
      take(
        ({originalName, shape: other}) =>
          lastPart(originalName) === lastPart(name) && String(other) === String(shape),
      );
    if (weight) return weight;
    throw new ManyHandsError(
      'BAD_MODEL',
      `the model that a worker rebuilt has no weight '${name}' of shape [${shape}]; it has ${rebuilt
        .map(({originalName, shape: other}) => `'${originalName}' of shape [${other}]`)
        .join(', ')}: check getConfig() of the layer that owns it.`,
    );
  });
}

const described = new WeakMap<tf.LayersModel, readonly LayerWeight[]>();

/** Remembers the weights of a rebuilt model in the order of its description. */
export function rememberWeights(model: tf.LayersModel, weights: readonly LayerWeight[]): void {
  described.set(model, weights);
}

/** The weights of a rebuilt model in the order of its description. */
export function describedWeights(model: tf.LayersModel): readonly LayerWeight[] {
  return described.get(model)!;
}
