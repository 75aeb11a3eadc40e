/**
 * A process of its own. Plain tfjs: a model through `model.fit`, timing each step; none of
 * many-hands' kernels or steps.
 */
import util from 'node:util';
import type * as tfTypes from '@tensorflow/tfjs';
import {mnist} from '../../../lib/data/mnist';
import {convnet, mlp} from '../../../lib/models';

// tfjs-node 4.22 calls what Node 23 and later lack.
const old = util as unknown as Record<string, unknown>;
old.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined;
old.isArray ??= Array.isArray;
const tf = require('@tensorflow/tfjs-node-gpu') as typeof tfTypes;

const [name, batchSize, steps] = [
  process.argv[2],
  Number(process.argv[3]),
  Number(process.argv[4]),
];
const flat = name === 'mlp';
const model = flat ? mlp({seed: 1}) : convnet({seed: 1, optimizer: 'sgd'});
const {xs, ys} = mnist({train: batchSize * steps, test: 0, flat}).train;
const inputs = tf.tensor(
  Float32Array.from(xs.values, (value) => value * (xs.scale ?? 1)),
  xs.shape,
);
const targets = tf.tensor(Float32Array.from(ys.values), ys.shape);

async function run(): Promise<{steps: number[]}> {
  const seconds: number[] = [];
  let last = performance.now();
  const onBatchEnd = () => {
    const now = performance.now();
    seconds.push((now - last) / 1000);
    last = now;
  };
  // 'batch': otherwise fit yields every 125 ms.
  await model.fit(inputs, targets, {
    batchSize,
    epochs: 1,
    shuffle: false,
    verbose: 0,
    yieldEvery: 'batch',
    callbacks: {onTrainBegin: () => void (last = performance.now()), onBatchEnd},
  });
  return {steps: seconds};
}

process.on('message', () => void run().then((done) => process.send!(done)));
process.on('disconnect', () => process.exit(0));
