/** How the weights of a model become units, and who finds a gradient that is not a number. */
import {describe, expect, it} from 'vitest';
import * as tf from '@tensorflow/tfjs';
import '#lib/devices/register.js';
import {readGraph} from '#lib/model/graph.js';
import {train} from '#lib/run/train.js';
import {GradientSum} from '#lib/step/gradientSum.js';
import {trainParallelOver} from '#lib/trainParallel.js';
import {planUnits} from '#lib/zero/units.js';
import {refusal} from '../helpers/refusal';

describe('planUnits', () => {
  const plan = (names: string[]) => {
    const model = tf.sequential({
      layers: names.map((name, i) =>
        tf.layers.dense({name, units: 3, ...(i === 0 ? {inputShape: [3]} : {})}),
      ),
    });
    model.compile({optimizer: 'sgd', loss: 'meanSquaredError'});
    const graph = readGraph(model);
    return planUnits(graph, [graph.calls], GradientSum.of(model), () => false).units;
  };
  const contiguous = (names: string[]) =>
    Object.fromEntries(plan(names).map((unit) => [unit.name, unit.contiguous]));

  it('makes one unit of each block', () => {
    const units = plan(['a/one', 'a/two', 'b/one']);
    expect(units.map(({name, slices, length}) => [name, slices.length, length])).toEqual([
      ['a', 4, 24],
      ['b', 2, 12],
    ]);
  });

  it("finds the units whose gradients are complete before another unit's begin", () => {
    expect(contiguous(['a/one', 'a/two', 'b/one', 'b/two'])).toEqual({a: true, b: true});
    expect(contiguous(['a/one', 'b/one', 'a/two'])).toEqual({a: false, b: true});
    expect(contiguous(['a/one', 'b/one', 'a/two', 'b/two'])).toEqual({a: false, b: false});
  });
});

describe('a gradient that is not a number', () => {
  /** A weight's gradient is -2 x: it overflows before the loss, (0 - 1)^2, in the first step. */
  const overflowing = (inputs: number) => {
    const model = tf.sequential({
      layers: [
        tf.layers.dense({
          name: 'block/wide',
          units: 1,
          useBias: false,
          inputShape: [inputs],
          kernelInitializer: 'zeros',
        }),
      ],
    });
    model.compile({optimizer: tf.train.sgd(1), loss: 'meanSquaredError'});
    return model;
  };
  const data = (inputs: number) => ({
    xs: {values: new Float32Array(2 * inputs).fill(3e38), shape: [2, inputs]},
    ys: {values: new Float32Array(2).fill(1), shape: [2, 1]},
  });
  const options = {batchSize: 2, epochs: 2, verbose: 0, seed: 1} as const;

  // With one weight the first rank has none; with two each rank has one.
  for (const inputs of [1, 2])
    it.each(['zero1', 'zero2', 'fsdp'] as const)(
      `of ${inputs} elements is named as train names it: %s`,
      async (strategy) => {
        const expected = await refusal(train(overflowing(inputs), data(inputs), options));
        const actual = await refusal(
          trainParallelOver('inProcess', overflowing(inputs), data(inputs), {
            ...options,
            devices: 2,
            strategy,
          }),
        );
        const sentence = /The first gradient that is not a number is that of '[^']+'/;
        expect(actual.code).toBe(expected.code);
        expect(actual.message).toMatch(sentence);
        expect(sentence.exec(actual.message)![0]).toBe(sentence.exec(expected.message)![0]);
      },
    );
});
