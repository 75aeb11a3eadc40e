import {createRequire} from 'node:module';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import * as tf from '@tensorflow/tfjs';
import '#lib/devices/register.js';
import type {TrainOptions} from '#lib/config/options.js';
import {describeModel} from '#lib/model/describe.js';
import {copyModel, disposeModel, rebuildModel} from '#lib/model/rebuild.js';
import {estimateMemory} from '#lib/memoryEstimate/index.js';
import {spmd} from '#lib/run/spmd.js';
import {train} from '#lib/run/train.js';
import {trainParallelOver} from '#lib/trainParallel.js';
import {closeWorkers} from '#lib/workers/pool.js';

const file = join(__dirname, 'fixtures', 'loudInitializer.cjs');
// Node's own loader, as in a program: vitest's would make a second instance.
const {Loud, Scale, calls} = createRequire(__filename)(file) as {
  Loud: new () => ReturnType<typeof tf.initializers.zeros>;
  Scale: new (config: object) => tf.layers.Layer;
  calls: {count: number};
};

/** Every kind of layer that makes weights in a way of its own. */
function model(): tf.LayersModel {
  const loud = {
    kernelInitializer: new Loud(),
    recurrentInitializer: new Loud(),
    biasInitializer: new Loud(),
  };
  const made = tf.sequential({
    layers: [
      tf.layers.convLstm2d({
        filters: 2,
        kernelSize: 2,
        returnSequences: true,
        inputShape: [2, 3, 3, 1],
        ...loud,
      }) as tf.layers.Layer,
      tf.layers.timeDistributed({layer: tf.layers.flatten()}),
      tf.layers.bidirectional({
        layer: tf.layers.gru({units: 2, returnSequences: true, ...loud}) as tf.layers.RNN,
        mergeMode: 'concat',
      }),
      tf.layers.lstm({units: 3, unitForgetBias: true, ...loud}),
      tf.layers.batchNormalization({gammaInitializer: new Loud(), betaInitializer: new Loud()}),
      new Scale({}),
      tf.layers.dense({units: 2, ...loud}),
    ],
  });
  made.compile({optimizer: tf.train.momentum(0.01, 0.9), loss: 'meanSquaredError'});
  return made;
}

const data = {xs: tf.ones([4, 2, 3, 3, 1]), ys: tf.ones([4, 2])};
const quiet: Pick<TrainOptions, 'verbose' | 'threads' | 'seed' | 'batchSize' | 'modules'> = {
  verbose: 0,
  threads: 1,
  seed: 1,
  batchSize: 4,
  modules: [file],
};

describe('a rebuilt model', () => {
  it('is made without a call of an initializer, in the workers and in the caller', async () => {
    const one = model();
    const before = calls.count;
    expect(before).toBeGreaterThan(10);
    await train(one, data, quiet);
    for (const strategy of ['fsdp', 'pipelineParallel'] as const)
      await trainParallelOver('inProcess', one, data, {...quiet, devices: 2, strategy});
    estimateMemory(one, {batchSize: 4});
    const description = await describeModel(one, [file]);
    disposeModel(await rebuildModel(description));
    disposeModel(await rebuildModel(description, true));
    disposeModel(await copyModel(one, description));
    expect(calls.count).toBe(before);
    // Layers that the program makes meanwhile have their own initial values.
    const rebuilding = rebuildModel(description, true);
    const meanwhile = tf.layers.dense({units: 1, kernelInitializer: 'ones'});
    meanwhile.build([null, 1]);
    expect([...meanwhile.getWeights()[0].dataSync()]).toEqual([1]);
    disposeModel(await rebuilding);
  });

  it('as a copy has the values of the model, and shares nothing that either changes', async () => {
    const one = model();
    const copy = await copyModel(one, await describeModel(one, [file]));
    const values = () => one.getWeights().map((weight) => [...weight.dataSync()]);
    const before = values();
    expect(copy.getWeights().map((weight) => [...weight.dataSync()])).toEqual(before);
    await train(copy, data, quiet);
    disposeModel(copy);
    expect(values()).toEqual(before);
  });

  it('is gone from its worker after a run: the weights of a layer that is used twice too', async () => {
    // The pool may hold workers in which programs of other tests left tensors.
    await closeWorkers();
    const input = tf.input({shape: [5]});
    const twice = tf.layers.dense({units: 5});
    const output = twice.apply(twice.apply(input)) as tf.SymbolicTensor;
    const shared = tf.model({inputs: input, outputs: output});
    const kept = async (optimizer: tf.Optimizer) => {
      shared.compile({optimizer, loss: 'meanSquaredError'});
      await train(shared, {xs: tf.ones([4, 5]), ys: tf.ones([4, 5])}, {...quiet, modules: []});
      // The worker of the run before.
      const program = ({tf: engine}: {tf: typeof tf}) => ({
        tensors: engine.memory().numTensors,
        variables: Object.keys(engine.engine().state.registeredVariables),
      });
      const [left] = await spmd(program, {devices: 1, threads: 1});
      return left;
    };
    const first = await kept(tf.train.sgd(0.01));
    expect(first.variables).toEqual([]);
    for (const optimizer of [tf.train.momentum(0.01, 0.9), tf.train.adam(0.01)])
      expect(await kept(optimizer)).toEqual(first);
  });
});
