import {execFileSync, spawn} from 'node:child_process';
import {once} from 'node:events';
import {createRequire} from 'node:module';
import {mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join, resolve} from 'node:path';
import {afterAll, describe, expect, it} from 'vitest';
import * as tf from '@tensorflow/tfjs';
import '#lib/devices/register.js';
import {onRun, type RunEvent} from '#lib/base/events.js';
import {mnistModule} from '#lib/data/index.js';
import {mlp} from '#lib/models/index.js';
import {train} from '#lib/run/train.js';
import type {TrainOptions} from '#lib/config/options.js';
import {childrenOf, isAlive} from '../helpers/processes';
import {refusal} from '../helpers/refusal';

const folder = mkdtempSync(join(tmpdir(), 'many-hands-'));
afterAll(() => rmSync(folder, {recursive: true}));

const SAMPLES = 60;
const data = () => ({
  xs: {
    values: Float32Array.from({length: SAMPLES * 4}, (_, i) => Math.sin(i)),
    shape: [SAMPLES, 4],
  },
  ys: {values: Float32Array.from({length: SAMPLES}, (_, i) => i % 3), shape: [SAMPLES, 1]},
});
const model = (optimizer: string | tf.Optimizer = 'sgd') =>
  mlp({inputShape: [4], units: [8], classes: 3, seed: 3, optimizer});
const quiet = {verbose: 0, seed: 1, threads: 1} as const;

describe('train', () => {
  it('gives what the result promises, and the model has learned', async () => {
    const one = model();
    const before = one.getWeights()[0].dataSync().slice();
    const result = await train(one, data(), {
      ...quiet,
      epochs: 2,
      batchSize: 25,
      validationSplit: 0.1,
    });
    expect(result.history.epoch).toEqual([0, 1]);
    expect(Object.keys(result.history.history)).toEqual(['loss', 'acc', 'val_loss', 'val_acc']);
    expect(one.getWeights()[0].dataSync()).not.toEqual(before);
    expect(result.record.steps).toHaveLength(2 * 3);
    expect(result.traffic).toEqual([]);
    expect(result.memory).toMatchObject([
      {
        rank: 0,
        peakBytes: expect.any(Number) as number,
        byCategory: {parameters: 4 * one.countParams()},
      },
    ]);
    expect(result.memory[0].peakBytes).toBeGreaterThan(4 * one.countParams());
    expect(result.devices).toEqual([{rank: 0, id: 'cpu', name: expect.any(String), threads: 1}]);
    expect(new Set(result.trace.spans.map((span) => span.kind))).toEqual(
      new Set(['input', 'forward', 'backward', 'update']),
    );
    expect(result.stepSeconds).toBeGreaterThan(0);
    expect(result.plan.reason).toMatch(/one device/);
  });

  it('writes a record that names no path, user or host', async () => {
    const file = join(folder, 'run.json');
    await train(model(), data(), {...quiet, record: file});
    const text = readFileSync(file, 'utf8');
    expect(JSON.parse(text)).toMatchObject({
      format: 'many-hands-run/1',
      seed: 1,
      engine: 'tensorflow',
      strategy: {mesh: {data: 1, tensor: 1, pipeline: 1}},
    });
    expect(text).not.toContain(resolve('.'));
    expect(text).not.toContain(folder);
    expect(readdirSync(folder).filter((name) => name.endsWith('.part'))).toEqual([]);
  });

  it('names a layer a span with trace: layers', async () => {
    const {trace} = await train(model(), data(), {...quiet, batchSize: 60, trace: 'layers'});
    expect(trace.spans.map((span) => `${span.kind} ${span.name}`)).toEqual([
      'input batch',
      'forward hidden_0',
      'forward output',
      'forward loss',
      'backward output',
      'backward hidden_0',
      'update update',
    ]);
  });

  it('tells of a run as it goes', async () => {
    const events: RunEvent[] = [];
    const stop = onRun((event) => events.push(event));
    await train(model(), data(), {...quiet, batchSize: 30});
    stop();
    expect(events.map((event) => event.type)).toEqual(['start', 'step', 'step', 'epoch', 'end']);
  });

  it('takes tensors, shaped arrays of bytes, and a module that the worker opens', async () => {
    const {xs, ys} = data();
    const tensors = {
      xs: tf.tensor(xs.values, [SAMPLES, 4]),
      ys: tf.tensor(ys.values, [SAMPLES, 1]),
    };
    const a = await train(model(), tensors, quiet);
    const b = await train(model(), data(), quiet);
    expect(a.record.steps.map((step) => step.loss)).toEqual(
      b.record.steps.map((step) => step.loss),
    );
    const digits = await train(
      mlp({units: [8], seed: 1}),
      mnistModule({samples: 64, flat: true}),
      quiet,
    );
    expect(digits.history.history.loss).toHaveLength(1);
    tf.dispose([tensors.xs, tensors.ys]);
  });

  it('weighs samples, and a weight of zero takes a sample out', async () => {
    const all = data();
    const weights = Float32Array.from({length: SAMPLES}, (_, i) => (i < 30 ? 2 : 0));
    const half = {
      xs: {values: all.xs.values.slice(0, 120), shape: [30, 4]},
      ys: {values: all.ys.values.slice(0, 30), shape: [30, 1]},
    };
    const weighed = model();
    const plain = model();
    await train(weighed, all, {...quiet, batchSize: 60, sampleWeight: weights});
    await train(plain, half, {...quiet, batchSize: 30, shuffle: false});
    weighed.getWeights().forEach((weight, i) => {
      const difference = tf.tidy(
        () => tf.max(tf.abs(tf.sub(weight, plain.getWeights()[i]))).dataSync()[0],
      );
      expect(difference).toBeLessThan(1e-6);
    });
  });

  it("calls callbacks here, in fit's order, and stops when one says so", async () => {
    const calls: string[] = [];
    const one = model();
    const weightsAtEnd: number[] = [];
    await train(one, data(), {
      ...quiet,
      epochs: 5,
      batchSize: 30,
      callbacks: {
        onTrainBegin: () => void calls.push('begin'),
        onEpochBegin: (epoch: number) => void calls.push(`epoch ${epoch}`),
        onBatchEnd: (batch: number, logs?: tf.Logs) =>
          void calls.push(`batch ${batch} of ${logs!.size}`),
        onEpochEnd: async (epoch: number) => {
          weightsAtEnd.push(one.getWeights()[0].dataSync()[0]);
          if (epoch === 1) one.stopTraining = true;
        },
        onTrainEnd: () => void calls.push('end'),
      },
    });
    expect(calls).toEqual([
      'begin',
      'epoch 0',
      'batch 0 of 30',
      'batch 1 of 30',
      'epoch 1',
      'batch 0 of 30',
      'batch 1 of 30',
      'end',
    ]);
    expect(new Set(weightsAtEnd).size).toBe(2);
    const stopper = tf.callbacks.earlyStopping({monitor: 'loss', minDelta: 10, patience: 1});
    const {history} = await train(model(), data(), {...quiet, epochs: 9, callbacks: stopper});
    expect(history.epoch.length).toBeLessThan(4);
  });

  it("clips the gradients' norm", async () => {
    const free = model(tf.train.sgd(1));
    const clipped = model(tf.train.sgd(1));
    const initial = free.getWeights().map((weight) => weight.dataSync().slice());
    const moved = async (one: tf.LayersModel, options: TrainOptions) => {
      await train(one, data(), {...quiet, batchSize: 60, ...options});
      let squares = 0;
      one
        .getWeights()
        .forEach((weight, i) =>
          weight
            .dataSync()
            .forEach((value: number, j: number) => (squares += (value - initial[i][j]) ** 2)),
        );
      return Math.sqrt(squares);
    };
    const norm = await moved(free, {});
    expect(await moved(clipped, {globalClipNorm: norm / 2})).toBeCloseTo(norm / 2, 5);
  });
});

describe('what train refuses, before a worker starts', () => {
  const cases: Array<[string, TrainOptions, RegExp]> = [
    [
      'an unknown option',
      {batchsize: 3} as TrainOptions,
      /no option 'batchsize'. It knows: epochs, batchSize/,
    ],
    ['an option of several devices', {strategy: 'dataParallel'} as TrainOptions, /several devices/],
    ['what is not there yet', {checkpoint: 'here'} as TrainOptions, /not there yet/],
    [
      'blocks to compute again where there are none',
      {recompute: 'block'},
      /finds no block of several layers/,
    ],
    ['a batch of no samples', {batchSize: 0}, /batchSize must be a whole number from 1; it is 0/],
    ['two devices', {devices: 2}, /one device/],
    ['a device that is not there', {devices: ['cuda:99']}, /cuda:99.*It has: .*cpu/],
    ['a split of everything', {validationSplit: 1}, /validationSplit/],
    ['a size without a unit that can be read', {memoryLimit: '12m'}, /memoryLimit/],
    [
      'more micro-batches than samples',
      {batchSize: 4, microBatches: 5},
      /at most batchSize, which is 4/,
    ],
    [
      'a callback with a name that fit does not call',
      {callbacks: {onEpoch: () => {}} as never},
      /onEpoch/,
    ],
    [
      'too few weights of samples',
      {sampleWeight: [1, 2]},
      /sampleWeight has 2 numbers; the data has 60/,
    ],
  ];
  for (const [name, options, message] of cases) {
    it(name, async () => {
      expect((await refusal(train(model(), data(), {...quiet, ...options}))).message).toMatch(
        message,
      );
    });
  }

  it('data that does not fit, with both sides', async () => {
    const {xs, ys} = data();
    expect(
      (await refusal(train(model(), {xs: {...xs, shape: [SAMPLES, 3]}, ys}, quiet))).message,
    ).toMatch(/240 values, but its shape \[60, 3\] needs 180/);
    expect(
      (
        await refusal(
          train(model(), {xs: {values: xs.values.slice(0, 180), shape: [60, 3]}, ys}, quiet),
        )
      ).message,
    ).toMatch(/\[60, 3\]; the model's input has \[n, 4\]/);
    expect(
      (await refusal(train(model(), {xs, ys: {values: ys.values.slice(1), shape: [59, 1]}}, quiet)))
        .message,
    ).toMatch(/59 samples, data.xs has 60/);
    expect((await refusal(train(model(), (() => {}) as never, quiet))).message).toMatch(
      /function, which cannot cross/,
    );
    xs.values[17] = NaN;
    expect((await refusal(train(model(), {xs, ys}, quiet))).message).toMatch(/NaN in sample 4/);
  });

  it('a model that is not compiled, or with a loss that cannot cross', async () => {
    const bare = tf.sequential({layers: [tf.layers.dense({units: 1, inputShape: [4]})]});
    expect((await refusal(train(bare, data(), quiet))).message).toMatch(/not compiled/);
    bare.compile({optimizer: 'sgd', loss: (a, b) => tf.sub(a, b).abs().mean() as tf.Scalar});
    expect((await refusal(train(bare, data(), quiet))).message).toMatch(/cannot cross to a worker/);
    expect((await refusal(train({} as tf.LayersModel, data(), quiet))).code).toBe('BAD_MODEL');
  });
});

describe("losses and layers of one's own", () => {
  it('cross by modules', async () => {
    const file = join(folder, 'own.mjs');
    const tfjs = join(resolve('.'), 'node_modules/@tensorflow/tfjs/dist/tf.node.js');
    writeFileSync(
      file,
      `import * as tf from ${JSON.stringify(tfjs)};
export const halfSquared = (target, output) => tf.mean(tf.mul(tf.square(tf.sub(target, output)), 0.5), -1);
export class Doubled extends tf.layers.Layer {
  static className = 'Doubled';
  call(inputs) { return tf.mul(Array.isArray(inputs) ? inputs[0] : inputs, 2); }
}
tf.serialization.registerClass(Doubled);
`,
    );
    // Node's own loader, as in a program: vitest's would make a second instance.
    const own = createRequire(__filename)(file) as {
      halfSquared: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor;
      Doubled: new (config: object) => tf.layers.Layer;
    };
    const build = (loss: string | typeof own.halfSquared, layer: tf.layers.Layer) => {
      const one = tf.sequential({
        layers: [tf.layers.dense({units: 1, inputShape: [4], kernelInitializer: 'ones'}), layer],
      });
      one.compile({optimizer: tf.train.sgd(0.01), loss: loss as string});
      return one;
    };
    const mine = await train(build(own.halfSquared, new own.Doubled({})), data(), {
      ...quiet,
      modules: [{module: file, export: 'halfSquared'}],
    });
    const theirs = await train(build('meanSquaredError', new own.Doubled({})), data(), {
      ...quiet,
      modules: [file],
    });
    expect(mine.record.steps[0].loss).toBeCloseTo(theirs.record.steps[0].loss / 2, 5);
    expect(
      (
        await refusal(
          train(build('meanSquaredError', new own.Doubled({})), data(), {...quiet, threads: 2}),
        )
      ).message,
    ).toMatch(/Doubled.*modules/s);
  });
});

describe('what happens while it runs', () => {
  it('memoryLimit is refused before the kernel that would pass it, and the worker stays usable', async () => {
    const big = mlp({inputShape: [4], units: [256, 256], classes: 3, seed: 1});
    const error = await refusal(train(big, data(), {...quiet, memoryLimit: '300kB'}));
    expect(error.code).toBe('MEMORY_LIMIT');
    expect(error.message).toMatch(/300 kB/);
    const fits = await train(big, data(), {...quiet, memoryLimit: '3MB'});
    expect(fits.memory[0].peakBytes).toBeLessThan(3e6);
  });

  it('a loss that is no number stops the run before the update', async () => {
    const one = model(tf.train.sgd(1e30));
    const error = await refusal(train(one, data(), {...quiet, batchSize: 10, epochs: 3}));
    expect(error.code).toBe('NOT_FINITE');
    expect(error.message).toMatch(/the loss of step \d+ is (NaN|Infinity)/);
  });

  it('a signal stops it, and the next run works', async () => {
    const controller = new AbortController();
    const stop = onRun((event) => event.type === 'step' && controller.abort());
    const error = await refusal(
      train(model(), data(), {...quiet, epochs: 10_000, signal: controller.signal}),
    );
    stop();
    expect(error.code).toBe('ABORTED');
    await train(model(), data(), quiet);
  });

  it('a callback that throws ends the run with its own error', async () => {
    const own = new Error('mine');
    await expect(
      train(model(), data(), {...quiet, callbacks: {onEpochEnd: () => Promise.reject(own)}}),
    ).rejects.toBe(own);
    await train(model(), data(), quiet);
  });

  it('keeps no tensor over 1,000 steps, here or in the worker', async () => {
    const one = mlp({
      inputShape: [4],
      units: [8],
      classes: 3,
      dropout: 0.2,
      seed: 3,
      optimizer: 'adam',
    });
    await train(one, data(), quiet);
    const before = tf.memory().numTensors;
    const first = await train(one, data(), {...quiet, batchSize: 6, epochs: 2, microBatches: 2});
    const many = await train(one, data(), {
      ...quiet,
      batchSize: 6,
      epochs: 100,
      microBatches: 2,
      validationSplit: 0.1,
    });
    expect(many.record.steps).toHaveLength(900);
    expect(tf.memory().numTensors).toBe(before);
    // A tensor a step would be 900 of them; the peak of a run does not grow with its length.
    expect(many.memory[0].peakBytes).toBeLessThan(first.memory[0].peakBytes + 500);
  });
});

describe('a program that trains', () => {
  const program = (
    code: string,
  ) => `const {train} = require('#lib/run/train.js'); const {mlp} = require('#lib/models/index.js');
const model = mlp({inputShape: [4], units: [4], classes: 3, seed: 1});
const data = {xs: {values: new Float32Array(240), shape: [60, 4]}, ys: {values: new Float32Array(60), shape: [60, 1]}};
${code}`;

  it('ends by itself, its warm worker with it', () => {
    const out = execFileSync(
      process.execPath,
      ['-e', program("train(model, data, {verbose: 0}).then(() => console.log('done'))")],
      {encoding: 'utf8', timeout: 30_000, stdio: ['ignore', 'pipe', 'ignore']},
    );
    expect(out).toBe('done\n');
  });

  it('takes its worker along when it is killed', async () => {
    const child = spawn(
      process.execPath,
      [
        '-e',
        program(
          "train(model, data, {verbose: 0, epochs: 1e6, callbacks: {onEpochEnd: () => console.log('epoch')}})",
        ),
      ],
      {stdio: ['ignore', 'pipe', 'ignore']},
    );
    await once(child.stdout, 'data');
    const workers = childrenOf(child.pid!);
    expect(workers).toHaveLength(1);
    child.kill('SIGKILL');
    await once(child, 'exit');
    await expect.poll(() => workers.filter(isAlive), {timeout: 2_000}).toEqual([]);
  });

  it('ends on Ctrl-C with no worker left', async () => {
    const child = spawn(
      process.execPath,
      [
        '-e',
        program(
          "train(model, data, {verbose: 0, epochs: 1e6, callbacks: {onEpochEnd: () => console.log('epoch')}}).catch((error) => console.log(error.code))",
        ),
      ],
      {stdio: ['ignore', 'pipe', 'ignore']},
    );
    await once(child.stdout, 'data');
    const workers = childrenOf(child.pid!);
    child.kill('SIGINT');
    const [, signal] = (await once(child, 'exit')) as [number, string];
    expect(signal).toBe('SIGINT');
    await expect.poll(() => workers.filter(isAlive), {timeout: 2_000}).toEqual([]);
  });
});
