/**
 * Caller side. What an order to a rank's helper thread takes beside its bytes: from real steps of a small model in shards, whose many units make many orders.
 */
import * as tf from '@tensorflow/tfjs';
import {median} from '../base/median';
import {Mesh} from '../mesh/mesh';
import {launch} from '../run/launch';
import {checkOptions} from '../run/options';
import {teamDevices} from '../run/teamDevices';
import {dataFor, profileModel} from './profile';

const LAYERS = 8;
const WIDTH = 64;
const SAMPLES = 16;
const STEPS = 60;
const BUCKET_BYTES = 4 * 2 ** 20;
const TIMEOUT_MS = 30_000;

function reference(): tf.LayersModel {
  const model = tf.sequential({name: 'calibration'});
  for (let i = 0; i < LAYERS; i++) model.add(tf.layers.dense({name: `layer_${i}`, units: WIDTH, activation: 'relu', ...(i === 0 ? {inputShape: [WIDTH]} : {})}));
  model.compile({optimizer: tf.train.sgd(1e-6), loss: 'meanSquaredError'});
  return model;
}

/** Seconds of an order among the workers on `ids`; its bytes are so few that they do not count. */
export async function orderSeconds(ids: string[]): Promise<number> {
  const model = reference();
  try {
    const [alone] = await profileModel(model, [{samples: SAMPLES, ids}]);
    const sum = (values: readonly number[]) => values.reduce((all, one) => all + one, 0);
    const computed = sum(alone.forward) + sum(alone.backward) + alone.loss + alone.input + alone.update + alone.rest;
    const devices = teamDevices(ids, 1);
    const data = dataFor(model, SAMPLES * ids.length * STEPS);
    const {record} = await launch(model, data, {
      checked: checkOptions({batchSize: SAMPLES * ids.length, shuffle: false, seed: 1, verbose: 0, trace: false, threads: 1, devices: ids}, true), devices, cutting: {}, strategy: 'fsdp', callbacks: undefined, signal: undefined,
      plan: {mesh: new Mesh({data: ids.length, tensor: 1, pipeline: 1}), zero: 3, microBatches: 1, recompute: 'none', reason: 'a measurement'}, bucketBytes: BUCKET_BYTES, collectiveTimeoutMs: TIMEOUT_MS, together: false,
    });
    const step = median(record.steps.slice(STEPS / 2).map(({seconds}) => seconds));
    // Each unit is gathered forward and backward, and its gradients are scattered.
    return Math.max(0, (step - computed) / (3 * LAYERS));
  } finally {
    model.optimizer.dispose();
    model.dispose();
  }
}
