/**
 * What a tensor-parallel run leaves: its all-reduces, bytes and memory; and a user's own layer in
 * it.
 */
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {
  textCorpus,
  tf,
  train,
  trainParallel,
  transformer,
  type TrainParallelOptions,
  type TrainResult,
} from '#lib/public/course.js';
import {cpus} from '../helpers/devices';

const LAYERS = 2;
const HIDDEN = 16;
const SEQUENCE = 8;
const BATCH = 4;
const text = textCorpus({sequence: SEQUENCE, samples: 2 * BATCH, seed: 1});
const model = (more: object = {}) =>
  transformer({layers: LAYERS, hidden: HIDDEN, heads: 4, sequence: SEQUENCE, seed: 1, ...more});
const run = (
  devices: number,
  options: TrainParallelOptions = {},
  more: object = {},
): Promise<TrainResult> =>
  trainParallel(model(more), text, {
    batchSize: BATCH,
    devices: cpus(devices),
    seed: 1,
    shuffle: false,
    verbose: 0,
    strategy: 'tensorParallel',
    ...options,
  });

describe('the all-reduces of a step', () => {
  it('two forward and two backward a block, the embedding apart, and nothing else but the metrics', async () => {
    const {
      trace: {spans},
      traffic,
    } = await run(2);
    const names = spans
      .filter(({rank, step, kind}) => rank === 0 && step === 1 && kind === 'communication')
      .map(({name}) => name);
    const blocks = [0, 1].map((i) => `block_${i}`);
    expect(names).toEqual([
      'all-reduce embedding',
      ...blocks.flatMap((block) => [`all-reduce ${block}/attention`, `all-reduce ${block}/down`]),
      ...[...blocks]
        .reverse()
        .flatMap((block) => [
          `all-reduce ${block}/up, gradient`,
          `all-reduce ${block}/attention, gradient`,
        ]),
    ]);
    // Two ranks: 2 (N-1)/N = 1 time the bytes of each activation, both ways, in two steps.
    const activation = BATCH * SEQUENCE * HIDDEN * 4;
    const sent = (operation: string) =>
      traffic.find((line) => line.rank === 0 && line.operation === operation)?.sent;
    expect(sent('allReduce activations')).toBe(2 * 2 * LAYERS * activation);
    expect(sent('allReduce activation gradients')).toBe(2 * 2 * LAYERS * activation);
    expect(sent('allReduce embedding')).toBe(2 * activation);
    const others = traffic.filter(
      ({rank, operation, sent: bytes}) =>
        rank === 0 &&
        bytes > 0 &&
        !/activation|embedding|initial|trained|optimizer|metrics|start|end|clock/.test(operation),
    );
    expect(others).toEqual([]);
  });

  it('with sequenceParallel a reduce-scatter and an all-gather stand in the place of each, with the same bytes', async () => {
    const {
      trace: {spans},
      traffic,
      plan,
    } = await run(2, {strategy: {kind: 'tensorParallel', sequenceParallel: true}});
    const names = spans
      .filter(({rank, step, kind}) => rank === 0 && step === 1 && kind === 'communication')
      .map(({name}) => name);
    const forward = (block: string) => [
      `all-gather ${block}/attention`,
      `reduce-scatter ${block}/attention`,
      `all-gather ${block}/up`,
      `reduce-scatter ${block}/down`,
    ];
    const backward = (block: string) => [
      `all-gather ${block}/down, gradient`,
      `reduce-scatter ${block}/up, gradient`,
      `all-gather ${block}/attention, gradient`,
      `reduce-scatter ${block}/attention, gradient`,
    ];
    const whole = 'gradients of whole weights';
    // The head is whole on every rank, and so needs all positions.
    expect(names.filter((name) => name !== whole)).toEqual([
      'reduce-scatter embedding',
      ...forward('block_0'),
      ...forward('block_1'),
      'all-gather head',
      ...backward('block_1'),
      ...backward('block_0'),
      'all-gather embedding, gradient',
    ]);
    // Each rank's own positions gave a summand of these: positions, the norms' gamma and beta, the
    // biases after the sums.
    expect(names.filter((name) => name === whole)).toHaveLength(1 + 2 * (2 * LAYERS + 1) + LAYERS);
    const activation = BATCH * SEQUENCE * HIDDEN * 4;
    const sent = (operation: string) =>
      traffic.find((line) => line.rank === 0 && line.operation === operation)?.sent;
    // Two ranks: each call sends half of what an all-reduce does, and there are two for one; two
    // steps.
    expect(sent('allGather activations')).toBe((2 * (2 * LAYERS + 1) * activation) / 2);
    expect(sent('reduceScatter activations')).toBe((2 * 2 * LAYERS * activation) / 2);
    expect(sent('allGather activation gradients')).toBe((2 * 2 * LAYERS * activation) / 2);
    expect(sent('reduceScatter activation gradients')).toBe((2 * 2 * LAYERS * activation) / 2);
    expect(plan).toMatchObject({
      sequenceParallel: true,
      reason: expect.stringMatching(
        /between the divided layers its own positions of each\./,
      ) as string,
    });
  });

  it("of a tied head: its outputs are gathered, its input's gradient completed", async () => {
    const {
      trace: {spans},
    } = await run(2, {}, {tied: true});
    const names = spans
      .filter(({rank, step, kind}) => rank === 1 && step === 1 && kind === 'communication')
      .map(({name}) => name);
    expect(names).toContain('all-gather embedding');
    expect(names).toContain('all-reduce embedding, gradient');
  });

  it('every rank sees every sample', async () =>
    expect((await run(2)).timing.map(({samples}) => samples)).toEqual([2 * BATCH, 2 * BATCH]));
});

describe('memory', () => {
  it('each rank holds its shard of the divided weights, and the rest whole', async () => {
    const {memory, plan} = await run(2, {
      batchSize: BATCH,
      strategy: {
        kind: 'tensorParallel',
        layout: {
          'block_*/up': 'column',
          'block_*/down': 'row',
          '*/attention': 'heads',
          embedding: 'vocabulary',
        },
      },
    });
    const whole = model();
    const divided = (name: string) => /up|down\/kernel|attention|embedding/.test(name);
    const counts = (
      whole as unknown as {weights: Array<{originalName: string; shape: number[]}>}
    ).weights.map(({originalName, shape}) => ({
      name: originalName,
      size: shape.reduce((a, b) => a * b, 1),
    }));
    const parameters = counts.reduce(
      (sum, {name, size}) => sum + (divided(name) ? size / 2 : size),
      0,
    );
    for (const {stateBytes} of memory) expect(stateBytes).toBe(16 * parameters);
    expect(plan.layout).toMatchObject({
      'block_0/up': 'column',
      'block_1/down': 'row',
      embedding: 'vocabulary',
    });
    expect(plan.reason).toMatch(/Whole on every device: positions, block_0\/norm_1, .*head\./);
  });

  it('a limit says what would help', async () => {
    await expect(run(2, {memoryLimit: '60kB'})).rejects.toThrow(
      /This rank holds its shard of the divided weights/,
    );
  });
});

describe("a layer of the user's own", () => {
  it('is divided by the rule that its module registers', async () => {
    const fixture = join(__dirname, 'fixtures', 'scaleLayer.cjs');
    // eslint-disable-next-line @typescript-eslint/no-require-imports
    const {ScaleLayer} = require(fixture) as {ScaleLayer: new (config: object) => tf.layers.Layer};
    const build = () => {
      const made = tf.sequential();
      made.add(
        tf.layers.dense({
          name: 'up',
          units: 6,
          inputShape: [4],
          activation: 'tanh',
          kernelInitializer: tf.initializers.glorotUniform({seed: 1}),
        }),
      );
      made.add(new ScaleLayer({name: 'scale'}));
      made.add(
        tf.layers.dense({
          name: 'out',
          units: 2,
          kernelInitializer: tf.initializers.glorotUniform({seed: 2}),
        }),
      );
      made.compile({optimizer: tf.train.sgd(0.1), loss: 'meanSquaredError'});
      return made;
    };
    const floats = (width: number) => ({
      values: Float32Array.from({length: 16 * width}, (_, i) => Math.cos(i)),
      shape: [16, width],
    });
    const data = {xs: floats(4), ys: floats(2)};
    const options = {
      batchSize: 8,
      seed: 1,
      shuffle: false,
      verbose: 0 as const,
      modules: [fixture],
    };
    const reference = await train(build(), data, {...options, threads: 1});
    for (const devices of [2, 4]) {
      const result = await trainParallel(build(), data, {
        ...options,
        devices: cpus(devices),
        strategy: {kind: 'tensorParallel', layout: {up: 'column', scale: 'row'}},
      });
      result.record.steps.forEach(({loss}, step) =>
        expect(loss).toBeCloseTo(reference.record.steps[step].loss, 5),
      );
    }
  });
});

describe('what breaks', () => {
  it('an option of another strategy', async () => {
    await expect(run(2, {strategy: {kind: 'dataParallel', layout: {}}})).rejects.toThrow(
      /strategy\.layout belongs to tensor parallelism/,
    );
    await expect(
      run(3, {strategy: {kind: 'tensorParallel', sequenceParallel: true}}),
    ).rejects.toThrow(
      /sequenceParallel shares 8 positions out among 3 ranks, which leaves 2 over: take sequences of 6 or 9/,
    );
    await expect(
      run(2, {strategy: {kind: 'tensorParallel', sequenceParallel: 1 as unknown as boolean}}),
    ).rejects.toThrow(/sequenceParallel must be true or false; it is 1/);
    await expect(
      run(2, {strategy: {kind: 'dataParallel', sequenceParallel: true}}),
    ).rejects.toThrow(/sequenceParallel belongs to tensor parallelism/);
    await expect(run(2, {strategy: {mesh: {tensor: 2}, zero: 1}})).rejects.toThrow(
      /strategy\.zero: 1 divides work along the data axis/,
    );
  });

  it('a loss that is no number names the weight', async () => {
    const made = model();
    made.compile({optimizer: tf.train.sgd(1e30), loss: 'sparseCategoricalCrossentropy'});
    await expect(
      trainParallel(made, text, {
        batchSize: 2,
        epochs: 3,
        devices: cpus(2),
        seed: 1,
        verbose: 0,
        strategy: 'tensorParallel',
      }),
    ).rejects.toThrow(/the loss of step \d+ is (NaN|Infinity).*so the step was not taken/);
  });
});
