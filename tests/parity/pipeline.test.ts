/** A pipeline equals one device that walks the same micro-batches, whatever its schedule. */
import {afterAll, describe, expect, it} from 'vitest';
import * as tf from '@tensorflow/tfjs';
import '#lib/devices/index.js';
import {transformer} from '#lib/models/index.js';
import {schedule} from '#lib/pipelineParallel/schedule.js';
import type {ScheduleName} from '#lib/pipelineParallel/schedules.js';
import {closeWorkers} from '#lib/workers/pool.js';
import {COURSE_CASES, SHAPE_CASES} from './cases';
import {expectSameFirstGradients, expectSameRun, head, OPTIMIZERS, runParallel, runTrain, weightsOf, weightTolerance, type ParityCase} from './harness';

afterAll(closeWorkers);

const caseOf = (name: string) => [...COURSE_CASES, ...SHAPE_CASES].find((one) => one.name.startsWith(name))!;
const MLP: ParityCase = {
  ...COURSE_CASES[0],
  name: 'eight layers',
  model: (optimizer) => {
    const model = tf.sequential({name: 'deep'});
    for (let i = 0; i < 8; i++) model.add(tf.layers.dense({name: `dense_${i}`, units: i === 7 ? 5 : 12, activation: i === 7 ? 'softmax' : 'relu', ...(i === 0 ? {inputShape: [12]} : {}), kernelInitializer: tf.initializers.heNormal({seed: 11 + i})}));
    model.compile({optimizer, loss: 'sparseCategoricalCrossentropy', metrics: ['accuracy']});
    return model;
  },
};
const pipeline = (name: ScheduleName, microBatches: number, more: object = {}) => ({kind: 'pipelineParallel' as const, schedule: name, microBatches, ...more});

describe('a pipeline equals train', () => {
  const runs: Array<[ScheduleName, number, number, string]> = [
    ['naive', 2, 1, 'sgd'], ['naive', 3, 2, 'adam'], ['gpipe', 2, 8, 'momentum'], ['gpipe', 4, 3, 'adam'], ['1f1b', 2, 4, 'adagrad'], ['1f1b', 3, 8, 'adam'], ['1f1b', 4, 5, 'sgd'],
    ['interleaved-1f1b', 2, 4, 'adam'], ['interleaved-1f1b', 3, 6, 'rmsprop'], ['interleaved-1f1b', 4, 8, 'sgd'], ['zero-bubble', 2, 8, 'adam'], ['zero-bubble', 3, 7, 'nesterov'], ['zero-bubble', 4, 4, 'adamax'],
  ];
  for (const [name, devices, microBatches, optimizer] of runs) {
    it(`${name}, ${devices} stages, ${microBatches} micro-batches, ${optimizer}: 20 steps`, async () => {
      const reference = await runTrain(MLP, MLP.model(OPTIMIZERS[optimizer]()), 1, {microBatches});
      const chunks = name === 'interleaved-1f1b' && devices > 2 ? 2 : undefined;
      expectSameRun(await runParallel(MLP, MLP.model(OPTIMIZERS[optimizer]()), 1, {devices, strategy: pipeline(name, microBatches, chunks ? {chunks} : {})}), reference, weightTolerance(optimizer));
    });
  }
});
