/**
 * Finds layers of a user's own class that change their non-trainable weights when they are applied,
 * as batch norm changes its averages.
 */
import * as tf from '@tensorflow/tfjs';
import {ManyHandsError} from '../base/errors';
import type {StepContext} from '../base/stepContext';
import {slotShape, type Graph, type LayerCall, type OpenShape} from '../model/graph';
import {innerLayers, isBatchNorm, nonTrainableWeights, saveState} from '../model/layerState';
import {isUserLayer} from '../model/tfjsClasses';
import {engineInternals} from '../model/tfjsInternals';
import {applyLayer} from './layerCall';

const CONTEXT: StepContext = {seed: 1, layer: '', step: 0, firstSample: 0};
const SAMPLES = 2;
/** A length for a dim that is open. */
const OPEN = 3;

/** Numbers that have no special values, and a mean and a variance that no running value begins with. */
function someValues(shape: OpenShape, type: tf.DataType): tf.Tensor {
  const lengths = [SAMPLES, ...shape.slice(1).map((length) => length ?? OPEN)];
  const size = tf.util.sizeFromShape(lengths);
  return type === 'int32'
    ? tf.tensor(
        Int32Array.from({length: size}, (_, i) => i % 2),
        lengths,
        type,
      )
    : tf.tensor(
        Float32Array.from({length: size}, (_, i) => 0.3 + ((i * 0.37) % 1)),
        lengths,
      );
}

function inputsOf(graph: Graph, call: LayerCall): tf.Tensor[] {
  return call.inputs.map((slot) =>
    someValues(slotShape(graph, slot), graph.inputTypes.get(slot) ?? 'float32'),
  );
}

/** Whether a call changes any variable, found by running it on a few numbers in training mode. */
function movesWhenRun(graph: Graph, call: LayerCall): boolean {
  const before = Object.values(engineInternals().state.registeredVariables).map((variable) => ({
    variable,
    dataId: variable.dataId,
  }));
  const state = saveState(call.layer);
  try {
    tf.tidy(() => {
      applyLayer(call, inputsOf(graph, call), null, CONTEXT, true);
    });
    return before.some(({variable, dataId}) => !variable.isDisposed && variable.dataId !== dataId);
  } catch {
    // It does not run on such inputs; `watchUserLayers` looks at the real step.
    return false;
  } finally {
    state.restore();
  }
}

const hasUserLayer = (layer: tf.layers.Layer): boolean =>
  isUserLayer(layer) || innerLayers(layer).some(hasUserLayer);

/** Whether batch norm is inside a wrapper or a user's layer. */
const wrapsBatchNorm = (layer: tf.layers.Layer): boolean =>
  innerLayers(layer).some((inner) => isBatchNorm(inner) || wrapsBatchNorm(inner));

const movers = new WeakMap<LayerCall, boolean>();

/** Whether applying a call changes weights that are not trained. */
export function movesWeights(graph: Graph, call: LayerCall): boolean {
  const {layer} = call;
  if (isBatchNorm(layer) || wrapsBatchNorm(layer)) return true;
  if (!hasUserLayer(layer) || nonTrainableWeights(layer).length === 0) return false;
  const moves = movers.get(call) ?? movesWhenRun(graph, call);
  movers.set(call, moves);
  return moves;
}

/**
 * The error for a layer whose weights move by the samples that it sees, where a rank or a micro-batch
 * has only some of them.
 */
export function movingWeights({name, layer}: LayerCall): ManyHandsError {
  return new ManyHandsError(
    'BAD_MODEL',
    `the layer '${name}' (${layer.getClassName()}) changes weights that are not trained by the samples that it sees, as batch norm does, and here it would see only a part of each batch at a time. ` +
      'Use train on one device with microBatches 1, or a strategy that does not divide the batch; or put a batchNormalization layer into the model itself, which works on the whole batch of all ranks.',
  );
}

/**
 * Notes the weights of users' layers among `calls`. The returned function throws BAD_MODEL if one of
 * them that is not trained has changed since.
 */
export function watchUserLayers(calls: readonly LayerCall[]): () => void {
  const watched = calls
    .filter(({layer}) => hasUserLayer(layer))
    .flatMap((call) =>
      nonTrainableWeights(call.layer).map((variable) => ({
        call,
        variable,
        dataId: variable.dataId,
      })),
    );
  return () => {
    const moved = watched.find(({variable, dataId}) => variable.dataId !== dataId);
    if (moved) throw movingWeights(moved.call);
  };
}
