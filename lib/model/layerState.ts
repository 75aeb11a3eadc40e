/**
 * What layers keep from one call to the next: weights that are not trained, such as batch norm's
 * averages, and the states of stateful recurrent layers.
 */
import * as tf from '@tensorflow/tfjs';
import {isUserLayer} from './tfjsClasses';
import {nestedContainer, nonTrainableWeightsOf} from './tfjsInternals';
import {recurrentFields, wrapperFields, type RecurrentFields} from './tfjsLayers';

type Stateful = tf.layers.Layer | tf.LayersModel;

/**
 * The non-trainable variables of a layer or a model, each once: those of frozen layers, and
 * averages, which change whenever the layer is applied.
 */
export function nonTrainableWeights(layer: Stateful): tf.Variable[] {
  return [...new Set(nonTrainableWeightsOf(layer).map((weight) => weight.read()))];
}

/** The layers that a wrapper, a recurrent layer or a model applies; none for any other layer. */
export function innerLayers(layer: Stateful): tf.layers.Layer[] {
  const container = nestedContainer(layer);
  if (container) return container.layers;
  const {forwardLayer, backwardLayer, layer: wrapped, cell, cells = []} = wrapperFields(layer);
  // The forward and the backward layer of a Bidirectional are copies of its `layer`.
  const applied = forwardLayer && backwardLayer ? [forwardLayer, backwardLayer] : [wrapped];
  return [...applied, cell, ...cells].filter((inner) => inner instanceof tf.layers.Layer);
}

/** The stateful recurrent layers in a layer: itself, or those that it wraps. */
export function statefulParts(layer: Stateful): RecurrentFields[] {
  const parts = innerLayers(layer).flatMap(statefulParts);
  const recurrent = recurrentFields(layer);
  return recurrent.stateful && recurrent.states_ ? [recurrent, ...parts] : parts;
}

export const isBatchNorm = (layer: tf.layers.Layer) =>
  layer.getClassName() === 'BatchNormalization';

/** Whether a layer may keep something from one call to the next, as far as its class tells. */
export function mayKeepState(layer: tf.layers.Layer): boolean {
  return (
    isBatchNorm(layer) ||
    (isUserLayer(layer) && nonTrainableWeightsOf(layer).length > 0) ||
    statefulParts(layer).length > 0 ||
    innerLayers(layer).some(mayKeepState)
  );
}

/** Saved values; one of the two functions must be called. */
export interface SavedState {
  restore(): void;
  discard(): void;
}

/**
 * Saves what `layer` keeps from one call to the next: `variables`, and the states of its stateful
 * parts.
 */
export function saveState(
  layer: Stateful,
  variables: readonly tf.Variable[] = nonTrainableWeights(layer),
): SavedState {
  const values = variables.map((variable) => tf.clone(variable));
  const parts = statefulParts(layer).map((part) => ({
    part,
    states: part.states_!.map((state) => tf.keep(tf.clone(state))),
    kept: part.keptStates.length,
  }));
  return {
    restore: () => {
      variables.forEach((variable, i) => {
        if (variable.dataId !== values[i].dataId) variable.assign(values[i]);
        values[i].dispose();
      });
      for (const {part, states, kept} of parts) {
        tf.dispose([...part.states_!, ...part.keptStates.splice(kept).flat()]);
        part.states_ = states;
      }
    },
    discard: () => tf.dispose([...values, ...parts.flatMap(({states}) => states)]),
  };
}

/** Frees the states of earlier calls, which tfjs keeps until `resetStates`. */
export function freeOldStates(layer: Stateful): void {
  for (const {keptStates} of statefulParts(layer)) tf.dispose(keptStates.splice(0).flat());
}

/** The values of a stateful layer's states, for each of its stateful parts. */
export type LayerStates = Array<Array<{values: Float32Array; shape: number[]}>>;

/** The states of the stateful layers among `layers`, which stay theirs. */
export function stateTensors(layers: Iterable<tf.layers.Layer>): tf.Tensor[] {
  return [...new Set(layers)].flatMap(statefulParts).flatMap(({states_: states}) => states ?? []);
}

/** Copies the states of the stateful layers among `layers`, each layer once. */
export function readStates(layers: Iterable<tf.layers.Layer>): LayerStates {
  return [...new Set(layers)].flatMap(statefulParts).map((part) =>
    part.states_!.map((state) => ({
      values: (state.dataSync() as Float32Array).slice(),
      shape: state.shape,
    })),
  );
}

/** Gives the stateful layers among `layers` the states that `readStates` has read. */
export function writeStates(layers: Iterable<tf.layers.Layer>, states: LayerStates): void {
  const parts = [...new Set(layers)].flatMap(statefulParts);
  parts.forEach((part, i) => {
    tf.dispose([...part.states_!, ...part.keptStates.splice(0).flat()]);
    part.states_ = states[i].map(({values, shape}) => tf.keep(tf.tensor(values.slice(), shape)));
  });
}

/** Frees the states of a layer that will not be used again. */
export function disposeStates(layer: Stateful): void {
  freeOldStates(layer);
  for (const part of statefulParts(layer)) {
    tf.dispose(part.states_!);
    part.states_ = null;
  }
}
