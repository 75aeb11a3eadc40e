/**
 * Measures the overheads of communication that do not depend on bytes: from real steps of a small
 * model, replicated and sharded. Its many sharded units make many operations for the communication
 * threads.
 */
import {median, sum} from '../base/statistics';
import * as tf from '@tensorflow/tfjs';
import {disposeModel} from '../model/rebuild';
import {describeModel} from '../model/describe';
import {readGraph} from '../model/graph';
import {resolveRun} from '../run/resolveRun';
import {runTraining} from '../run/runTraining';
import {profileModel} from './profile';
import {syntheticData} from './syntheticData';

const LAYERS = 8;
const WIDTH = 64;
const SAMPLES = 16;
const STEPS = 60;

function benchmarkModel(): tf.LayersModel {
  const model = tf.sequential({name: 'calibration'});
  for (let i = 0; i < LAYERS; i++)
    model.add(
      tf.layers.dense({
        name: `layer_${i}`,
        units: WIDTH,
        activation: 'relu',
        ...(i === 0 ? {inputShape: [WIDTH]} : {}),
      }),
    );
  model.compile({optimizer: tf.train.sgd(1e-6), loss: 'meanSquaredError'});
  return model;
}

/**
 * Seconds of the median step of `model` on the workers `ids`, all along one axis of the mesh. Every
 * worker computes the same number of samples.
 */
async function stepSeconds(
  model: tf.LayersModel,
  ids: string[],
  axis: 'data' | 'tensor',
  zero: 0 | 3 = 0,
): Promise<number> {
  const batchSize = axis === 'data' ? SAMPLES * ids.length : SAMPLES;
  const data = syntheticData(model, batchSize * STEPS);
  const options = {
    ...{batchSize, shuffle: false, seed: 1, verbose: 0 as const, trace: false},
    ...{devices: ids, threads: 1},
    strategy: {mesh: {data: 1, tensor: 1, [axis]: ids.length}, zero},
  };
  const {record} = await runTraining(
    await resolveRun(model, data, options, {caller: 'trainParallel'}),
  );
  return median(record.steps.slice(STEPS / 2).map(({seconds}) => seconds));
}

/** Overheads of communication, in seconds. */
export interface CommOverheads {
  /** Seconds of handing an operation to the communication thread. */
  dispatch: number;
  /** Seconds of waiting for each other at the end of a step. */
  barrier: number;
  /** Seconds of a sum between two layers. */
  sumTensor: number;
}

/**
 * Measures the overheads among the workers on `ids`. The model is so small that its bytes do not
 * count.
 */
export async function commOverheads(ids: string[]): Promise<CommOverheads> {
  const model = benchmarkModel();
  try {
    const described = {model, description: await describeModel(model), graph: readGraph(model)};
    const [alone] = await profileModel(described, [{samples: SAMPLES, ids}]);
    const aloneSeconds =
      sum(alone.forward) +
      sum(alone.backward) +
      alone.loss +
      alone.input +
      alone.update +
      alone.rest;
    const replicated = await stepSeconds(model, ids, 'data');
    const sharded = await stepSeconds(model, ids, 'data', 3);
    const tensor = await stepSeconds(model, ids, 'tensor');
    // A sharded unit has three operations: a gather in the forward, a gather in the backward, and the
    // scatter of its gradients. Replicas have one operation a step, which counts as part of the
    // barrier. A pair of layers has a sum in the forward and one in the backward, except the first
    // pair, whose input needs no gradient.
    return {
      dispatch: Math.max(0, (sharded - replicated) / (3 * LAYERS - 1)),
      barrier: Math.max(0, replicated - aloneSeconds),
      sumTensor: Math.max(0, (tensor - replicated) / (LAYERS - 1)),
    };
  } finally {
    disposeModel(model);
  }
}
