import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import type * as Tf from '@tensorflow/tfjs';
import {tf} from '#lib/devices/register.js';
import {type MemoryMeter, startMeter} from '#lib/memory/meter.js';
import {MemoryLimitError} from '#lib/memory/refusal.js';
import type {MicroBatch} from '#lib/step/strategy.js';
import {Stepper} from '#lib/step/trainStep.js';

const SAMPLES = 32;
const l = tf.layers;
const models: Record<string, () => Tf.Sequential> = {
  'dense and batch norm': () =>
    tf.sequential({
      layers: [
        l.dense({units: 64, activation: 'relu', inputShape: [20]}),
        l.batchNormalization({}),
        l.dense({units: 5, activation: 'softmax'}),
      ],
    }),
  convolution: () =>
    tf.sequential({
      layers: [
        l.conv2d({filters: 4, kernelSize: 3, inputShape: [8, 8, 2], activation: 'relu'}),
        l.maxPooling2d({}),
        l.flatten(),
        l.dense({units: 5, activation: 'softmax'}),
      ],
    }),
  LSTM: () =>
    tf.sequential({
      layers: [l.lstm({units: 6, inputShape: [4, 3]}), l.dense({units: 5, activation: 'softmax'})],
    }),
};

const part = (batch: MicroBatch) => ({
  samples: batch.samples,
  firstSample: 0,
  share: 1,
  make: () => batch,
});

describe('a training step under a limit', () => {
  let meter: MemoryMeter;
  beforeAll(() => {
    meter = startMeter();
  });
  afterAll(() => meter.stop());

  it.each(Object.keys(models))(
    '%s: wherever the step is refused, nothing stays behind and the next one runs',
    async (name) => {
      const model = models[name]();
      const optimizer = tf.train.adam();
      model.compile({optimizer, loss: 'categoricalCrossentropy'});
      const stepper = new Stepper(model, {seed: 1});
      const batch = () => {
        const [xs, ys] = tf.tidy(() => [
          tf.fill([SAMPLES, ...(model.inputs[0].shape.slice(1) as number[])], 0.5),
          tf.oneHot(tf.fill([SAMPLES], 1, 'int32'), 5).toFloat(),
        ]);
        return {xs: [xs], ys: [ys], weights: [null], samples: SAMPLES};
      };
      await stepper.step(0, [part(batch())]);
      const live = meter.liveBytes;
      meter.resetPeak();
      await stepper.step(1, [part(batch())]);
      expect(meter.liveBytes).toBe(live);
      const peak = meter.peakBytes;

      const places = new Set<string>();
      const given = batch();
      let floor = meter.liveBytes;
      tf.dispose([given.xs, given.ys]);
      for (const stride = Math.ceil((peak - floor) / 40); floor < peak; floor += stride) {
        const next = batch();
        meter.limitBytes = floor;
        const error = await stepper.step(2, [part(next)]).then(
          () => null,
          (thrown: unknown) => thrown,
        );
        meter.limitBytes = undefined;
        expect(error).toBeInstanceOf(MemoryLimitError);
        places.add((error as MemoryLimitError).refusal.op);
        // A tfjs kernel that is refused between its parts may leave a shape of a few numbers.
        expect(meter.liveBytes - live).toBeLessThan(64);
      }
      expect(places.size).toBeGreaterThan(1);
      meter.limitBytes = peak + 64;
      const [loss] = await stepper.step(3, [part(batch())]);
      expect(Number.isFinite(loss)).toBe(true);
      meter.limitBytes = undefined;
      optimizer.dispose();
      model.dispose();
    },
  );
});
