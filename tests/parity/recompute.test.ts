/** Recompute changes what is kept, and not a bit of what is learned. */
import {describe, expect, it} from 'vitest';
import * as tf from '@tensorflow/tfjs';
import '#lib/devices/register.js';
import {transformer} from '#lib/models/index.js';
import {readGraph} from '#lib/model/graph.js';
import {COURSE_CASES, SHAPE_CASES} from './cases';
import {head, referenceRun, runParallel, runTrain, shorter} from './harness';

const NORMS = SHAPE_CASES.find((one) => one.name.startsWith('batch norm'))!;

describe('recompute', () => {
  for (const [i, whole] of [...COURSE_CASES, ...SHAPE_CASES].entries()) {
    const one = shorter(whole);
    it(`of every ${i % 2 ? 'block' : 'layer'}: ${one.name}, to the bit`, async () => {
      const graph = readGraph(one.model(tf.train.sgd(0.01)));
      const reference = await referenceRun(one, () => tf.train.momentum(0.01, 0.9));
      const recompute =
        i % 2
          ? [...new Set(graph.calls.map(({block}) => block))]
          : graph.calls.map(({name}) => name);
      const actual = await runTrain(one, one.model(tf.train.momentum(0.01, 0.9)), 1, {recompute});
      expect(actual.losses).toEqual(reference.losses);
      expect(actual.weights).toEqual(reference.weights);
      expect(actual.logs).toEqual(reference.logs);
    });
  }

  it('with dropout, micro-batches and clipping, in less memory', async () => {
    const one = {
      ...head(COURSE_CASES[3], 6 * COURSE_CASES[3].batchSize),
      model: (optimizer: tf.Optimizer) =>
        transformer({
          layers: 4,
          hidden: 16,
          heads: 2,
          vocab: 20,
          sequence: 6,
          dropout: 0.3,
          seed: 1,
          optimizer,
        }),
    };
    const options = {microBatches: 2, globalClipNorm: 0.5, seed: 4};
    const reference = await referenceRun(one, () => tf.train.adam(0.01), options);
    const actual = await runTrain(one, one.model(tf.train.adam(0.01)), 1, {
      ...options,
      recompute: 'block',
    });
    expect(actual.losses).toEqual(reference.losses);
    expect(actual.weights).toEqual(reference.weights);
    const kept = ({result}: typeof actual) => result.memory[0].byCategory!.activations;
    expect(kept(actual)).toBeLessThan(0.5 * kept(reference));
  });

  it('on several ranks, where batch norm talks in its middle and one rank has no share', async () => {
    const few = head(NORMS, 5 * NORMS.batchSize + 3);
    const run = (recompute: 'none' | string[]) =>
      runParallel(few, NORMS.model(tf.train.sgd(0.05)), 1, {
        devices: 4,
        microBatches: 2,
        recompute,
      });
    const [reference, actual] = [await run('none'), await run(['conv', 'norm', 'act', 'pool'])];
    expect(actual.losses).toEqual(reference.losses);
    expect(actual.weights).toEqual(reference.weights);
    expect(actual.result.traffic).toEqual(reference.result.traffic);
  });

  it("refuses a name that is no layer's, and 'block' where there are no blocks", async () => {
    const [mlp] = COURSE_CASES;
    await expect(
      runTrain(mlp, mlp.model(tf.train.sgd(0.1)), 1, {recompute: ['hidden']}),
    ).rejects.toThrow(/recompute names "hidden".*Its blocks are hidden_0, hidden_1, output/);
    await expect(
      runTrain(mlp, mlp.model(tf.train.sgd(0.1)), 1, {recompute: 'block'}),
    ).rejects.toThrow(/finds no block of several layers.*recompute: \['hidden_0'\]/);
    await expect(
      runTrain(mlp, mlp.model(tf.train.sgd(0.1)), 1, {recompute: 'all' as 'block'}),
    ).rejects.toThrow(/recompute must be 'none', 'block', or a list/);
  });
});
