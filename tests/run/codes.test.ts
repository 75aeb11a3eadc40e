/**
 * Ways to fail: every error of a public function is a `ManyHandsError` with a code.
 */
import {createRequire} from 'node:module';
import {writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import * as tf from '@tensorflow/tfjs';
import {ManyHandsError} from '#lib/base/errors.js';
import * as course from '#lib/public/course.js';
import {temporaryFolder} from '../helpers/folders';

const {train, trainParallel, spmd} = course;
const folder = temporaryFolder('codes');
const module = (name: string, text: string) => {
  const file = join(folder, `${name}.cjs`);
  writeFileSync(file, text);
  return file;
};
const quiet = {verbose: 0, threads: 1, seed: 1} as const;
const data = {xs: tf.ones([8, 4]), ys: tf.ones([8, 1])};
const bare = () => tf.sequential({layers: [tf.layers.dense({units: 1, inputShape: [4]})]});
function compiled(optimizer: string | tf.Optimizer = 'sgd', made = bare()): tf.Sequential {
  made.compile({optimizer, loss: 'meanSquaredError'});
  return made;
}

class Failing extends tf.layers.Layer {
  static className = 'Failing';
  override call(): tf.Tensor {
    throw new RangeError('this layer fails');
  }
  override computeOutputShape(shape: tf.Shape): tf.Shape {
    return shape;
  }
}
tf.serialization.registerClass(Failing);
const failing = () =>
  compiled(
    'sgd',
    tf.sequential({layers: [tf.layers.dense({units: 1, inputShape: [4]}), new Failing({})]}),
  );
const silent = new (class extends tf.SGDOptimizer {
  override getConfig(): tf.serialization.ConfigDict {
    throw new Error('no configuration');
  }
})(0.1);
const disposed = () => {
  const model = compiled();
  model.dispose();
  return model;
};
const lossOf = (name: string, text: string) => {
  const file = module(name, text);
  const {loss} = createRequire(__filename)(file) as {loss: () => tf.Scalar};
  const model = bare();
  model.compile({optimizer: 'sgd', loss});
  return train(model, data, {...quiet, modules: [{module: file, export: 'loss'}]});
};

type Run = () => unknown;
/** The code, and what fails; values are of no type that the function takes. */
const before: Array<[code: string, name: string, run: Run]> = [
  ['BAD_MODEL', 'no model', () => train(null as never, data)],
  ['BAD_MODEL', 'a model that is not compiled', () => train(bare(), data, quiet)],
  ['BAD_MODEL', 'a model that is disposed of', () => train(disposed(), data, quiet)],
  ['BAD_MODEL', 'an optimizer that fails', () => train(compiled(silent), data, quiet)],
  [
    'BAD_MODEL',
    'a layer that fails while stages are balanced',
    () => trainParallel(failing(), data, {...quiet, strategy: 'pipelineParallel'}),
  ],
  ['BAD_OPTION', 'modules', () => train(compiled(), data, {...quiet, modules: [null as never]})],
  [
    'BAD_OPTION',
    'a mesh',
    () => trainParallel(compiled(), data, {strategy: {mesh: null as never}}),
  ],
  ['BAD_OPTION', 'a signal', () => spmd(() => 1, {signal: 3 as never})],
  ['BAD_OPTION', 'arguments that cannot be copied', () => spmd(() => 1, {args: new WeakMap()})],
  [
    'BAD_OPTION',
    'arguments that cannot be read',
    () =>
      spmd(() => 1, {
        args: {
          get value() {
            throw new Error('not yet');
          },
        },
      }),
  ],
  ['ABORTED', 'an aborted signal', () => spmd(() => 1, {signal: AbortSignal.abort()})],
  ['ABORTED', 'one with a reason', () => train(compiled(), data, {signal: AbortSignal.abort('x')})],
  ['BAD_MODEL', 'estimateMemory', () => course.estimateMemory(bare())],
  ['BAD_MODEL', 'estimateMemory, a layer', () => course.estimateMemory(failing())],
  ['BAD_OPTION', 'recompute', () => course.estimateMemory(compiled(), {recompute: 5 as never})],
  ['BAD_MODEL', 'MemoryEstimator', () => new course.MemoryEstimator({} as never)],
  [
    'BAD_OPTION',
    'a limit',
    () => new course.MemoryEstimator(compiled()).largestBatch('1' as never),
  ],
  ['BAD_MODEL', 'plan', () => course.plan(null as never)],
  ['BAD_OPTION', 'a machine', () => course.plan(compiled(), {machine: {} as never})],
  ['BAD_MODEL', 'placements', () => course.placements(null as never, 'fsdp')],
  ['BAD_MODEL', 'splitModel', () => course.splitModel(null as never, {stages: 2})],
  ['BAD_MODEL', 'meshDrawing', () => course.meshDrawing(null as never, 'fsdp')],
  ['BAD_OPTION', 'validatePlan', () => course.validatePlan(compiled(), data, 5 as never)],
  ['BAD_OPTION', 'rowName', () => course.rowName(null as never)],
  ['BAD_OPTION', 'bubble', () => course.bubble(null as never)],
  ['BAD_OPTION', 'summarize', () => course.summarize({} as never)],
  ['BAD_OPTION', 'diagnoseIdle', () => course.diagnoseIdle(undefined as never)],
  ['BAD_OPTION', 'Mesh', () => new course.Mesh({data: 0, tensor: 1, pipeline: 1})],
  ['BAD_OPTION', 'no Mesh', () => new course.Mesh(null as never)],
  ['BAD_OPTION', 'onRun', () => course.onRun(5 as never)],
  ['BAD_OPTION', 'checkSchedule', () => course.checkSchedule(null as never)],
  ['BAD_OPTION', 'simulateSchedule', () => course.simulateSchedule(null as never)],
];

const during: Array<[code: string, name: string, run: Run]> = [
  [
    'BAD_DATA',
    'a data module that throws',
    () =>
      train(compiled(), {module: module('throws', 'module.exports = () => { throw 5; }')}, quiet),
  ],
  ['WORKER', 'a loss that throws', () => lossOf('loss', 'exports.loss = () => { throw Error(); }')],
  ['BAD_MODEL', 'a layer that no worker knows', () => train(failing(), data, quiet)],
  ['WORKER', 'a program that throws text', () => spmd(() => Promise.reject('text'), {devices: 1})],
  ['WORKER', 'a program that throws nothing', () => spmd(() => Promise.reject(), {devices: 2})],
  ['BAD_OPTION', 'a result that cannot be copied', () => spmd(() => new WeakMap(), {devices: 1})],
  ['WORKER', 'a program that ends its process', () => spmd(() => process.exit(3), {devices: 2})],
];

describe('an error', () => {
  it.each([...before, ...during])('%s: %s', async (code, _, run) => {
    let error: unknown = 'nothing was thrown';
    try {
      await run();
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toBeInstanceOf(ManyHandsError);
    expect(error).toMatchObject({code, message: expect.stringMatching(/\w{3}/) as string});
  });

  it("of the caller's own callback or listener is passed on unchanged, as in fit", async () => {
    const options = {...quiet, epochs: 3, batchSize: 4};
    const thrown = async (run: Promise<unknown>) =>
      run.then(
        () => 'nothing',
        (error) => error,
      );
    for (const error of [new RangeError('mine'), 'text', undefined]) {
      const throwing = () => {
        throw error;
      };
      for (const callbacks of [{onBatchEnd: throwing}, {onTrainBegin: throwing}])
        expect(await thrown(train(compiled(), data, {...options, callbacks}))).toBe(error);
      const stop = course.onRun((event) => event.type === 'step' && throwing());
      try {
        expect(await thrown(train(compiled(), data, options))).toBe(error);
        const run = trainParallel(compiled(), data, {...options, strategy: 'dataParallel'});
        expect(await thrown(run)).toBe(error);
      } finally {
        stop();
      }
    }
    await train(compiled(), data, quiet);
  });
});
