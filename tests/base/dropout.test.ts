import {describe, expect, it} from 'vitest';
import {nextDraw} from '#lib/base/draws.js';
import {dropoutMask} from '#lib/base/dropoutMask.js';
import {dropoutWithContext} from '#lib/base/dropout.js';
import {tf} from '#lib/devices/register.js';
import {drawContext} from '../helpers/draws';

const base = {place: 4, shape: [12, 5, 7], rate: 0.3, skipped: 0};

/** The mask of a call's draw number `skipped`, from `firstElement` of each sample. */
function mask(options: Partial<typeof base> & {firstElement?: number; [context: string]: unknown}) {
  const {place, shape, rate, skipped, firstElement = 0, ...context} = {...base, ...options};
  const calling = drawContext(context, {place, samples: shape[0]});
  for (let i = 0; i < skipped; i++) nextDraw(calling, shape);
  return dropoutMask({...nextDraw(calling, shape), firstElement}, rate);
}
const share = (mask: Float32Array) =>
  mask.reduce((zeros, value) => zeros + (value === 0 ? 1 : 0), 0) / mask.length;

describe('dropoutMask', () => {
  it.each([[1], [35], [64]])(
    "for any division of a batch gives the parts of the whole batch's mask (%i elements a sample)",
    (size) => {
      const whole = mask({...base, shape: [12, size]});
      for (const [from, to] of [
        [0, 12],
        [0, 1],
        [3, 9],
        [11, 12],
        [5, 5],
      ]) {
        const part = mask({...base, firstSample: from, shape: [to - from, size]});
        expect([...part]).toEqual([...whole.subarray(from * size, to * size)]);
      }
    },
  );
  it.each([
    [1, 0],
    [9, 3],
    [64, 8],
    [64, 13],
  ])(
    'of a run of each sample is that run of the whole mask (%i elements from %i)',
    (length, from) => {
      const size = 80;
      const whole = mask({...base, shape: [4, size]});
      const run = mask({...base, firstElement: from, shape: [4, length]});
      for (let sample = 0; sample < 4; sample++)
        expect([...run.subarray(sample * length, (sample + 1) * length)]).toEqual([
          ...whole.subarray(sample * size + from, sample * size + from + length),
        ]);
    },
  );
  it('has only the values 0 and 1 / (1 - rate)', () => {
    expect(new Set(mask(base))).toEqual(new Set([0, Math.fround(1 / 0.7)]));
    expect(new Set(mask({...base, rate: 0}))).toEqual(new Set([1]));
    expect(mask({...base, shape: [0, 4]}).length).toBe(0);
    expect(mask({...base, shape: [3]}).length).toBe(3);
  });
  it('differs by seed, place in the model, draw, step, validation batch, sample and element', () => {
    const wide = {...base, shape: [1, 200]};
    const masks = [
      wide,
      {...wide, seed: 8},
      {...wide, place: 5},
      {...wide, skipped: 1},
      {...wide, validationBatch: 0},
      {...wide, step: 4},
      {...wide, firstSample: 1},
    ].map((options) => mask(options).join());
    expect(new Set(masks).size).toBe(masks.length);
    expect(mask(wide).subarray(0, 100).join()).not.toBe(mask(wide).subarray(100).join());
  });
  it.each([[0.1], [0.5], [0.9]])(
    'drops the share %f, independently from place to place',
    (rate) => {
      const samples = 500;
      const size = 401;
      const drawn = mask({...base, rate, shape: [samples, size]});
      const error = 5 * Math.sqrt((rate * (1 - rate)) / drawn.length);
      expect(Math.abs(share(drawn) - rate)).toBeLessThan(error);
      // Both of two places dropped: rate^2, for neighbours in a row, for every second one (which
      // share a word), and for rows.
      for (const distance of [1, 2, size]) {
        let both = 0;
        for (let i = 0; i + distance < drawn.length; i++)
          if (drawn[i] === 0 && drawn[i + distance] === 0) both++;
        expect(Math.abs(both / (drawn.length - distance) - rate * rate)).toBeLessThan(
          5 * rate * Math.sqrt(3 / drawn.length),
        );
      }
    },
  );
  it("does not depend on the layer's name", () => {
    expect([...mask({layer: 'dropout_7'})]).toEqual([...mask({layer: 'dropout_8'})]);
  });
});

describe('dropoutWithContext', () => {
  const context = (samples = 4) => drawContext({firstSample: 2}, {samples});
  it("multiplies value and gradient by the step's mask, and keeps nothing else", async () => {
    const x = tf.randomNormal([4, 6], 0, 1, 'float32', 1);
    const expected = dropoutMask(nextDraw(context(), [4, 6]), 0.5);
    const before = tf.memory().numTensors;
    const {value, grad} = tf.valueAndGrad((t) =>
      tf.sum(tf.mul(dropoutWithContext(t, 0.5, context()), 3)),
    )(x);
    expect([...(await grad.data())]).toEqual([...expected].map((mask) => 3 * mask));
    const masked = tf.tidy(() => tf.sum(tf.mul(tf.mul(x, tf.tensor(expected, [4, 6])), 3)));
    expect((await value.data())[0]).toBeCloseTo((await masked.data())[0], 4);
    tf.dispose([value, grad, masked]);
    expect(tf.memory().numTensors).toBe(before);
    x.dispose();
  });
  it('draws a new mask each time where there is no step', async () => {
    const x = tf.ones([1000]);
    const once = await dropoutWithContext(x, 0.5, null).data();
    const again = await dropoutWithContext(x, 0.5, null).data();
    expect(new Set(once)).toEqual(new Set([0, 2]));
    expect([...once]).not.toEqual([...again]);
  });
  it('refuses a rate that is no share', () => {
    for (const rate of [-0.1, 1, 1.5, NaN])
      expect(() => dropoutWithContext(tf.ones([4, 6]), rate, context())).toThrow(
        /block_0\/dropout.*below 1/,
      );
  });
  it('hands its input through at rate 0', async () => {
    const x = tf.tensor1d([1, 2]);
    const same = dropoutWithContext(x, 0, context(2));
    expect(same.id).not.toBe(x.id);
    expect([...(await same.data())]).toEqual([1, 2]);
  });
});
