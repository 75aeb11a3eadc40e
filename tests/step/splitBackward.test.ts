/** A backward in two parts finds what a whole one finds, and leaves nothing behind. */
import {describe, expect, it} from 'vitest';
import * as tf from '@tensorflow/tfjs';
import '#lib/devices/register.js';
import {backward, record} from '#lib/step/tape.js';
import {backwardSome, discardPendingTape, finishTape} from '#lib/step/splitBackward.js';

interface Case {
  name: string;
  compute(x: tf.Tensor, weights: tf.Variable[]): tf.Tensor;
  weights(): tf.Variable[];
}

const variable = (...shape: number[]) => tf.variable(tf.randomUniform(shape, -1, 1, 'float32', 3));
const CASES: Case[] = [
  {
    name: 'a product and a bias',
    weights: () => [variable(4, 4), variable(4)],
    compute: (x, [w, b]) =>
      tf.relu(tf.add(tf.matMul(x as tf.Tensor2D, w as unknown as tf.Tensor2D), b)),
  },
  {
    name: 'a fused product, whose gradients come all at once',
    weights: () => [variable(4, 4), variable(4)],
    compute: (x, [w, b]) =>
      tf.fused.matMul({
        a: x as tf.Tensor2D,
        b: w as unknown as tf.Tensor2D,
        bias: b,
        activation: 'linear',
      }),
  },
  {
    name: 'a weight that is changed on its way',
    weights: () => [variable(4, 4)],
    compute: (x, [w]) => tf.matMul(x as tf.Tensor2D, tf.transpose(tf.mul(w, 2)) as tf.Tensor2D),
  },
  {
    name: 'a skip connection',
    weights: () => [variable(4, 4)],
    compute: (x, [w]) =>
      tf.add(x, tf.tanh(tf.matMul(x as tf.Tensor2D, w as unknown as tf.Tensor2D))),
  },
  {
    name: 'one weight twice',
    weights: () => [variable(4, 4)],
    compute: (x, [w]) =>
      tf.matMul(
        tf.sigmoid(tf.matMul(x as tf.Tensor2D, w as unknown as tf.Tensor2D)),
        w as unknown as tf.Tensor2D,
      ),
  },
  {name: 'no weight', weights: () => [], compute: (x) => tf.square(x)},
];

describe.each(CASES)('$name', ({compute, weights: make}) => {
  const x = tf.randomUniform([3, 4], -1, 1, 'float32', 5);
  const dy = tf.randomUniform([3, 4], -1, 1, 'float32', 6);
  const taped = (weights: tf.Variable[]) => record([x, ...weights], () => [compute(x, weights)]);

  it('in two parts, and in two with no input wanted', () => {
    const weights = make();
    const whole = taped(weights);
    const expected = backward(whole.tape, new Map([[whole.outputs[0].id, dy]]));
    for (const now of [[x.id], []]) {
      const {
        outputs: [output],
        tape,
      } = taped(weights);
      const {gradients: found, rest} = backwardSome(tape, new Map([[output.id, dy]]), new Set(now));
      const later = finishTape(rest);
      for (const id of [...now, ...weights.map((weight) => weight.id)]) {
        const actual = found.get(id) ?? later.get(id)!;
        expect([...actual.dataSync()]).toEqual([...expected.get(id)!.dataSync()]);
      }
      tf.dispose([output, ...found.values(), ...later.values()]);
    }
    tf.dispose([...whole.outputs, ...expected.values(), ...weights]);
  });

  it('leaves no tensor, finished or given up', () => {
    const weights = make();
    const before = tf.memory().numTensors;
    for (const end of [
      (rest: Parameters<typeof finishTape>[0]) => tf.dispose([...finishTape(rest).values()]),
      discardPendingTape,
    ]) {
      const {outputs, tape} = taped(weights);
      const {gradients: found, rest} = backwardSome(
        tape,
        new Map([[outputs[0].id, dy]]),
        new Set([x.id]),
      );
      end(rest);
      tf.dispose([...outputs, ...found.values()]);
      expect(tf.memory().numTensors).toBe(before);
    }
    tf.dispose(weights);
  });
});
