import {afterAll, beforeAll, describe, expect, it, vi} from 'vitest';

// The engine is chosen when it is first imported: before the imports below.
vi.hoisted(() => {
  process.env.MANY_HANDS_ENGINE = 'javascript';
});
import {engineInfo, tf} from '#lib/devices/register.js';
import type {OperationRecord} from '#lib/memory/call.js';
import {startMeter, type MemoryMeter} from '#lib/memory/meter.js';
import {newBytes} from '#lib/memory/outputShapes.js';
import {MemoryLimitError} from '#lib/memory/refusal.js';
import {layerExercises, operationExercises, trainingExercises, type Exercise} from './exercises';

describe("the count on tfjs's JavaScript engine", () => {
  let meter: MemoryMeter;
  let records: OperationRecord[] = [];
  beforeAll(() => {
    expect(engineInfo().name).toBe('javascript');
    meter = startMeter();
    meter.observer = (record) => records.push(record);
  });
  afterAll(() => meter.stop());

  it.each(
    [...operationExercises(tf), ...layerExercises(tf), ...trainingExercises(tf)].map(
      (exercise) => [exercise.name, exercise] as [string, Exercise],
    ),
  )('predicted: %s', async (_, exercise) => {
    records = [];
    const before = meter.liveBytes;
    await exercise.run();
    expect(records.length).toBeGreaterThan(0);
    for (const {op, predicted, outputs, liveBefore, liveBytes} of records) {
      expect(predicted, `${op} has no rule`).not.toBeNull();
      if (!predicted) continue;
      expect(predicted.length, op).toBe(outputs.length);
      predicted.forEach((told, i) => {
        if (told.atMost)
          told.shape.forEach((dim, at) =>
            expect(outputs[i].shape[at], op).toBeLessThanOrEqual(dim),
          );
        else
          expect({op, shape: outputs[i].shape, type: outputs[i].type}).toEqual({
            op,
            shape: told.shape,
            type: told.type,
          });
      });
      if (!predicted.some((told) => told.atMost))
        expect(liveBytes - liveBefore, `${op}, bytes`).toBe(newBytes(predicted));
    }
    records = [];
    expect(meter.liveBytes - before).toBeLessThanOrEqual(64);
  });

  it('counts the inputs of a kernel that takes a list of tensors', () => {
    const start = meter.liveBytes;
    tf.tidy(() => {
      const {outputDenseValues} = tf.raggedGather(
        [tf.tensor1d([0, 1, 3], 'int32')],
        tf.tensor1d([1, 2, 3]),
        tf.tensor1d([1, 0], 'int32'),
        2,
      );
      expect([...outputDenseValues.dataSync()]).toEqual([2, 3, 1]);
      expect(meter.liveBytes).toBeGreaterThan(start);
    });
    expect(meter.liveBytes).toBe(start);
  });

  it.each([undefined, 'floor', 'round', 'ceil'] as const)(
    'predicts a pool that rounds its sizes by %s',
    (rounding) => {
      records = [];
      tf.tidy(() =>
        tf.maxPool(tf.ones<import('@tensorflow/tfjs').Rank.R4>([1, 5, 6, 1]), 2, 3, 1, rounding),
      );
      const pool = records.find(({op}) => op === 'MaxPool')!;
      expect(pool.predicted![0].shape).toEqual(pool.outputs[0].shape);
      records = [];
    },
  );

  it('a cut keeps the memory of what it was cut from', () => {
    const start = meter.liveBytes;
    const whole = tf.fill([100, 10], 1);
    expect(meter.liveBytes - start).toBe(4000);
    const cut = whole.slice([0, 0], [10, 10]);
    expect(meter.liveBytes - start).toBe(4000);
    whole.dispose();
    expect(meter.liveBytes - start).toBe(4000);
    cut.dispose();
    expect(meter.liveBytes - start).toBe(0);
  });

  it('refuses before the kernel, and stays usable', () => {
    const x = tf.ones([50, 50]);
    const start = meter.liveBytes;
    meter.limitBytes = start + 9_999;
    try {
      expect(() => tf.matMul(x, x)).toThrow(MemoryLimitError);
      expect(() => tf.tile(x, [2, 2])).toThrow(/Tile.*40\.0 kB/);
      expect(meter.liveBytes).toBe(start);
      expect(tf.tidy(() => tf.sum(x).dataSync()[0])).toBe(2500);
    } finally {
      meter.limitBytes = undefined;
      x.dispose();
    }
    expect(meter.liveBytes).toBe(start - 10_000);
  });

  it('what a kernel makes on its way counts and is given back when it is refused halfway', () => {
    const x = tf.ones([50, 50]);
    const start = meter.liveBytes;
    // Softmax's output alone would fit; the maxima and differences beside it do not.
    meter.limitBytes = start + 12_000;
    try {
      expect(() => tf.softmax(x)).toThrow(MemoryLimitError);
      expect(meter.liveBytes).toBe(start);
    } finally {
      meter.limitBytes = undefined;
      x.dispose();
    }
  });

  it('stop gives the kernels back', () => {
    const config = () =>
      tf.getKernelsForBackend('cpu').find(({kernelName}) => kernelName === 'Add')?.kernelFunc;
    const wrapped = config();
    meter.stop();
    expect(config()).not.toBe(wrapped);
    meter = startMeter();
  });
});
