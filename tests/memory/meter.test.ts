import {afterAll, afterEach, beforeAll, describe, expect, it} from 'vitest';
import {withStepContext} from '#lib/base/stepContext.js';
import type * as Tf from '@tensorflow/tfjs';
import {tf} from '#lib/devices/register.js';
import {type MemoryMeter, startMeter} from '#lib/memory/meter.js';
import {MemoryLimitError} from '#lib/memory/refusal.js';

interface Backend {
  executeSingleOutput(op: string, attributes: unknown[], inputs: Tf.Tensor[]): Tf.Tensor;
}
const MB = 1e6;

describe('the count of live buffers', () => {
  let meter: MemoryMeter;
  let start = 0;
  const grown = () => meter.liveBytes - start;
  beforeAll(() => {
    // tfjs makes a few scalars of its own at first use.
    tf.dispose(tf.tidy(() => tf.ones([2]).add(1).mean()));
    meter = startMeter();
    start = meter.liveBytes;
  });
  afterEach(() => {
    meter.limitBytes = undefined;
    expect(grown()).toBe(0);
  });
  afterAll(() => meter.stop());

  it('tensors that share a buffer count once, and it lives as long as one of them', () => {
    const x = tf.fill([64, 16], 3);
    expect(grown()).toBe(4096);
    const shared = [
      x.clone(),
      x.reshape([16, 64]),
      x.expandDims(0),
      x.slice([16, 0], [16, 16]),
      x.cast('float32'),
    ];
    expect(grown()).toBe(4096);
    x.dispose();
    tf.dispose(shared.slice(0, 4));
    expect(grown()).toBe(4096);
    const own = shared[4].add(1);
    expect(grown()).toBe(8192);
    tf.dispose([shared[4], own]);
  });

  it('counts what tf.memory() counts twice', () => {
    const x = tf.fill([1000], 1);
    const before = tf.memory().numBytes;
    const y = x.reshape([10, 100]);
    expect(tf.memory().numBytes - before).toBe(4000);
    expect(grown()).toBe(4000);
    tf.dispose([x, y]);
  });

  it('tensors over the same memory of the program count once, overlapping ones what they cover', () => {
    const memory = new ArrayBuffer(4000);
    const over = (from: number, count: number) =>
      tf.tensor1d(new Float32Array(memory, 4 * from, count));
    const a = over(0, 500);
    const again = over(0, 500);
    expect(grown()).toBe(2000);
    const overlapping = over(250, 500);
    expect(grown()).toBe(3000);
    const apart = over(900, 100);
    expect(grown()).toBe(3400);
    again.dispose();
    expect(grown()).toBe(3400);
    a.dispose();
    expect(grown()).toBe(2400);
    const used = overlapping.add(1);
    expect(grown()).toBe(4400);
    tf.dispose([overlapping, apart, used]);
  });

  it('variables, tidy, dtypes', () => {
    const first = tf.ones([250]);
    const variable = tf.variable(first);
    expect(grown()).toBe(1000);
    first.dispose();
    const kept = tf.tidy(() => {
      const mask = tf.greater(variable, 0);
      expect(grown()).toBe(1000 + 250);
      variable.assign(tf.zeros([250]));
      expect(grown()).toBe(1000 + 250);
      return mask.toInt();
    });
    expect(grown()).toBe(2000);
    kept.dispose();
    variable.dispose();
  });

  it('the peak is the most at once, and says which operation and layer made it', () => {
    meter.resetPeak();
    const at = meter.peakBytes;
    tf.tidy(() => {
      const x = tf.fill([1000], 1);
      withStepContext({seed: 1, layer: 'dense_7', step: 0, firstSample: 0}, () =>
        tf.outerProduct(x as Tf.Tensor1D, x.slice(0, 500) as Tf.Tensor1D),
      );
    });
    // 4000 for x, 2000 for its half (not aligned to be shared), the product, and the shapes of the
    // kernels' arguments.
    expect(meter.peakBytes - at).toBeGreaterThanOrEqual(4000 + 2_000_000);
    expect(meter.peakBytes - at).toBeLessThan(4000 + 2000 + 2_000_000 + 100);
    expect(meter.peak).toMatchObject({op: 'BatchMatMulV2', layer: 'dense_7'});
    meter.resetPeak();
    expect(meter.peakBytes).toBe(meter.liveBytes);
  });

  it('a tensor made before the count began is met when an operation reads it', () => {
    meter.stop();
    const before = tf.fill([100], 1);
    const first = tf.fill([50], 1);
    const variable = tf.variable(first);
    meter = startMeter();
    const variables = meter.liveBytes;
    expect(variables).toBeGreaterThanOrEqual(200);
    const sum = before.add(1);
    expect(meter.liveBytes - variables).toBe(800);
    tf.dispose([before, sum, first]);
    variable.dispose();
    start = meter.liveBytes;
  });

  it('one meter in a process; stop takes the wrapping off', () => {
    expect(() => startMeter()).toThrow(/already running.*stop\(\)/);
    meter.stop();
    const before = meter.liveBytes;
    tf.fill([100], 1).dispose();
    const unseen = tf.fill([100], 1);
    expect(meter.liveBytes).toBe(before);
    unseen.dispose();
    meter = startMeter();
    start = meter.liveBytes;
  });

  it('process memory agrees: 64 MiB tensors that share do not grow it, those that own do', () => {
    const size = 2 ** 26;
    const rss = () => process.memoryUsage.rss();
    const x = tf.fill([4096, 4096], 2);
    const others: Tf.Tensor[] = [];
    const operations: [string, () => Tf.Tensor, boolean][] = [
      ['reshape', () => x.reshape([16, -1]), true],
      ['rows', () => x.slice([0, 0], [2048, 4096]), true],
      ['cast', () => x.cast('float32'), true],
      ['transpose of itself', () => x.transpose([0, 1]), true],
      ['relu', () => x.relu(), false],
      ['transpose', () => x.transpose(), false],
      ['add', () => x.add(1), false],
    ];
    for (const [name, run, shares] of operations) {
      const [before, counted] = [rss(), meter.liveBytes];
      others.push(run());
      expect(meter.liveBytes - counted, name).toBeLessThan(shares ? 64 : size + 64);
      expect(
        Math.abs(rss() - before - (shares ? 0 : size)),
        `${name}: process memory`,
      ).toBeLessThan(size / 4);
      while (others.length > 1) others.shift()?.dispose();
    }
    tf.dispose([x, others]);
  });
});

describe('the memory limit', () => {
  let meter: MemoryMeter;
  let x: Tf.Tensor2D;
  let base = 0;
  beforeAll(() => {
    meter = startMeter();
    x = tf.fill([500, 500], 1);
    base = meter.liveBytes;
  });
  afterEach(() => {
    meter.limitBytes = undefined;
    expect(meter.liveBytes).toBe(base);
  });
  afterAll(() => {
    x.dispose();
    meter.stop();
  });

  const refused = (run: () => unknown): MemoryLimitError => {
    try {
      tf.tidy(() => void run());
    } catch (error) {
      expect(error).toBeInstanceOf(MemoryLimitError);
      return error as MemoryLimitError;
    }
    throw new Error('nothing was refused');
  };

  it('refuses before the operation that would pass it, and says what, where, how much, and what to do', () => {
    const live = meter.liveBytes;
    meter.resetPeak();
    meter.limitBytes = live + MB - 1;
    const error = refused(() =>
      withStepContext({seed: 1, layer: 'dense_2', step: 3, firstSample: 0}, () => tf.matMul(x, x)),
    );
    expect(error.code).toBe('MEMORY_LIMIT');
    expect(error.refusal).toMatchObject({
      op: 'BatchMatMulV2',
      layer: 'dense_2',
      bytes: MB,
      liveBytes: live,
      limitBytes: live + MB - 1,
      afterwards: false,
    });
    expect(error.message).toMatch(
      /^memoryLimit is 2\.00 MB\. Operation BatchMatMulV2 in layer 'dense_2' asks for 1\.00 MB \(\[500, 500\] float32\) while 1\.00 MB are alive: together 2\.00 MB, 1 B over the limit\./,
    );
    expect(error.message).toMatch(/Largest alive: 1\.00 MB \[500, 500\] float32, made by Fill/);
    expect(error.message).toMatch(
      /smaller batchSize, microBatches .*, recompute, or a smaller model/,
    );
    expect(meter.peakBytes).toBe(live);
  });

  it('gives exactly the limit', () => {
    meter.limitBytes = meter.liveBytes + MB;
    meter.resetPeak();
    tf.tidy(() => void tf.matMul(x, x));
    expect(meter.peakBytes).toBe(meter.limitBytes);
  });

  it('what shares its input is never refused', () => {
    meter.limitBytes = meter.liveBytes;
    tf.tidy(() => void x.reshape([250_000]).expandDims(0).cast('float32'));
  });

  it("the program's own data counts too, before any operation", () => {
    meter.limitBytes = meter.liveBytes + 100;
    expect(refused(() => tf.tensor1d(new Float32Array(50))).message).toMatch(
      /A tensor of the program's own data asks for 200 B \(\[50\] float32\)/,
    );
    tf.tensor1d(new Float32Array(25)).dispose();
  });

  it('an operation without a rule is counted after it ran, then refused, and its outputs released', () => {
    const backend = tf.backend() as unknown as Backend;
    const live = meter.liveBytes;
    meter.limitBytes = live + 1000;
    // TensorFlow has it, no kernel of tfjs issues it.
    const type = {name: 'T', type: 4, value: 1};
    const error = refused(() => backend.executeSingleOutput('Rint', [type], [x]));
    expect(error.refusal.afterwards).toBe(false);
    const unknown = refused(() => backend.executeSingleOutput('MatrixDiag', [type], [x]));
    expect(unknown.refusal).toMatchObject({
      op: 'MatrixDiag',
      afterwards: true,
      bytes: 500 * MB,
      liveBytes: live,
    });
    expect(unknown.message).toMatch(/took 500 MB.*only after it ran; it has been released/);
    expect(meter.liveBytes).toBe(live);
    meter.limitBytes = live + 600 * MB;
    backend.executeSingleOutput('MatrixDiag', [type], [x]).dispose();
  });

  it('an operation that fails by itself leaves the books as they were', () => {
    const live = meter.liveBytes;
    const backend = tf.backend() as unknown as Backend;
    meter.limitBytes = live + 10 * MB;
    expect(() =>
      backend.executeSingleOutput('MatMul', [{name: 'T', type: 4, value: 1}], [x]),
    ).toThrow(/MatMul/);
    expect(() => backend.executeSingleOutput('NoSuchOperation', [], [x])).toThrow(
      /NoSuchOperation/,
    );
    expect(meter.liveBytes).toBe(live);
  });

  it('names the variables among the largest', () => {
    const weight = tf.tidy(() => tf.variable(tf.fill([600, 600], 0), true, 'wide/kernel'));
    meter.limitBytes = meter.liveBytes;
    const error = refused(() => x.square());
    expect(error.refusal.largest[0]).toMatchObject({bytes: 1_440_000, variable: 'wide/kernel'});
    expect(error.message).toContain(
      "1.44 MB [600, 600] float32, variable 'wide/kernel'; 1.00 MB [500, 500] float32, made by Fill",
    );
    weight.dispose();
  });

  it('three hundred steps leave nothing in the books', () => {
    const w = tf.tidy(() => tf.variable(tf.fill([10, 10], 0.1)));
    const optimizer = tf.train.adam();
    const step = () => optimizer.minimize(() => tf.matMul(w, w).square().mean() as Tf.Scalar);
    step();
    const live = meter.liveBytes;
    for (let i = 0; i < 300; i++) step();
    expect(meter.liveBytes).toBe(live);
    w.dispose();
    optimizer.dispose();
  });
});
