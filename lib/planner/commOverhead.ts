/**
 * What ranks take to wait for each other, beside any bytes: from real steps of a small
 * model, as plain copies and in shards, whose many units make many orders to the ranks' helper
 * threads.
 */
import {median, sum} from '../base/statistics';
import * as tf from '@tensorflow/tfjs';
import {disposeModel} from '../model/rebuild';
import {describeModel} from '../model/describe';
import {readGraph} from '../model/graph';
import {resolveRun} from '../run/resolveRun';
import {runTraining} from '../run/runTraining';
import {dataFor, profileModel} from './profile';

const LAYERS = 8;
const WIDTH = 64;
const SAMPLES = 16;
const STEPS = 60;

function reference(): tf.LayersModel {
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
 * Seconds of the median step of `model` on the workers, along an axis of the mesh; each walks as
 * many samples.
 */
async function stepSeconds(
  model: tf.LayersModel,
  ids: string[],
  axis: 'data' | 'tensor',
  zero: 0 | 3 = 0,
): Promise<number> {
  const batchSize = axis === 'data' ? SAMPLES * ids.length : SAMPLES;
  const data = dataFor(model, batchSize * STEPS);
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

/**
 * Seconds of an order to a helper thread among the workers on `ids`, of the meeting at a step's
 * end, and of a sum between two layers; their bytes are so few that they do not count.
 */
export async function commOverheads(
  ids: string[],
): Promise<{order: number; meeting: number; sum: number}> {
  const model = reference();
  try {
    const described = {model, description: await describeModel(model), graph: readGraph(model)};
    const [alone] = await profileModel(described, [{samples: SAMPLES, ids}]);
    const computed =
      sum(alone.forward) +
      sum(alone.backward) +
      alone.loss +
      alone.input +
      alone.update +
      alone.rest;
    const plain = await stepSeconds(model, ids, 'data');
    const shards = await stepSeconds(model, ids, 'data', 3);
    const parts = await stepSeconds(model, ids, 'tensor');
    // In shards each unit is gathered forward and backward, and its gradients are scattered; plain
    // copies have one order a step, which the meeting takes in. A pair of layers has a sum forward
    // and one backward, but for the first, whose input wants no gradient.
    return {
      order: Math.max(0, (shards - plain) / (3 * LAYERS - 1)),
      meeting: Math.max(0, plain - computed),
      sum: Math.max(0, (parts - plain) / (LAYERS - 1)),
    };
  } finally {
    disposeModel(model);
  }
}
