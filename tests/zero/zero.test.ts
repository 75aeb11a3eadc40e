/** What ZeRO holds and sends: the formulas of Rajbhandari et al. 2020, section 5, in bytes. */
import {describe, expect, it} from 'vitest';
import type * as tf from '@tensorflow/tfjs';
import '#lib/devices/register.js';
import {transformer} from '#lib/models/index.js';
import type {TrainParallelOptions} from '#lib/config/options.js';
import {trainParallel} from '#lib/trainParallel.js';

const STEPS = 3;
const BATCH = 8;
const SEQUENCE = 8;
const model = (tied = false) =>
  transformer({
    layers: 4,
    hidden: 64,
    heads: 2,
    vocab: 33,
    sequence: SEQUENCE,
    tied,
    seed: 1,
    optimizer: 'adam',
  });
const rows = STEPS * BATCH;
const data = {
  xs: {
    values: Int32Array.from({length: rows * SEQUENCE}, (_, i) => i % 33),
    shape: [rows, SEQUENCE],
  },
  ys: {
    values: Float32Array.from({length: rows * SEQUENCE}, (_, i) => (7 * i) % 33),
    shape: [rows, SEQUENCE, 1],
  },
};
const run = (
  devices: number,
  strategy: 'zero1' | 'zero2' | 'fsdp',
  options: TrainParallelOptions = {},
  made = model(),
) =>
  trainParallel(made, data, {
    batchSize: BATCH,
    shuffle: false,
    seed: 1,
    verbose: 0,
    devices,
    strategy,
    ...options,
  });

const PER_PARAMETER = {
  zero1: (n: number) => 8 + 8 / n,
  zero2: (n: number) => 4 + 12 / n,
  fsdp: (n: number) => 16 / n,
};

/** Elements of each unit of the model. */
function units(made: tf.LayersModel): number[] {
  const sizes = new Map<string, number>();
  for (const layer of made.layers) {
    const block = layer.name.includes('/')
      ? layer.name.slice(0, layer.name.lastIndexOf('/'))
      : layer.name;
    const count = layer.trainableWeights.reduce(
      (sum, weight) => sum + weight.shape.reduce((a, b) => a! * b!, 1)!,
      0,
    );
    if (count > 0) sizes.set(block, (sizes.get(block) ?? 0) + count);
  }
  return [...sizes.values()];
}

/**
 * What rank r receives where every rank gets every other's part of `n` elements, and where it adds
 * up its own part of them.
 */
const start = (r: number, n: number, size: number) => Math.floor((r * n) / size);
const part = (r: number, n: number, size: number) => start(r + 1, n, size) - start(r, n, size);
const gathered = (r: number, n: number, size: number) => 4 * (n - part(r, n, size));
const scattered = (r: number, n: number, size: number) => 4 * part(r, n, size) * (size - 1);

for (const devices of [2, 3, 4]) {
  describe(`on ${devices} ranks`, () => {
    for (const strategy of ['zero1', 'zero2', 'fsdp'] as const) {
      it(`${strategy} holds its share of the model's state, from the start to the end, with two units beside it, and moves what its formula says, to the byte`, async () => {
        const made = model();
        const parameters = made.countParams();
        const sizes = units(made);
        const largest = 4 * Math.max(...sizes);
        const {memory, traffic} = await run(devices, strategy, {}, made);
        for (const {rank, stateBytes, byCategory} of memory) {
          expect(stateBytes / (PER_PARAMETER[strategy](devices) * parameters)).toBeGreaterThan(
            0.95,
          );
          expect(stateBytes / (PER_PARAMETER[strategy](devices) * parameters)).toBeLessThan(1.05);
          expect(byCategory!.gathered).toBeLessThanOrEqual(strategy === 'fsdp' ? 2 * largest : 0);
          expect(byCategory!.communication).toBeLessThanOrEqual(2.1 * largest);
          if (strategy !== 'zero1')
            expect(byCategory!.communication).toBeGreaterThanOrEqual(2 * largest);
          const line = (operation: string) =>
            traffic.find((one) => one.rank === rank && one.operation === operation);
          const total = (received: (r: number, n: number, size: number) => number) =>
            STEPS * sizes.reduce((sum, n) => sum + received(rank, n, devices), 0);
          expect(line('reduceScatter gradients')!.received).toBe(total(scattered));
          expect(line('allReduce gradients')).toBeUndefined();
          if (strategy === 'fsdp') {
            expect(line('allGather parameters, forward')!.received).toBe(total(gathered));
            expect(line('allGather parameters, backward')!.received).toBe(total(gathered));
            expect(line('allGather updated weights')).toBeUndefined();
          } else {
            expect(line('allGather updated weights')!.received).toBe(total(gathered));
            expect(traffic.some(({operation}) => operation.includes('parameters'))).toBe(false);
          }
        }
      });
    }
  });
}

describe('stage 3', () => {
  it('gathers a tied layer once more each way, on a line of its own', async () => {
    const made = model(true);
    const table = 33 * 64;
    const {traffic} = await run(2, 'fsdp', {}, made);
    expect(
      traffic.find(
        ({rank, operation}) =>
          rank === 0 && operation === 'allGather parameters, a tied layer again',
      )!.received,
    ).toBe(STEPS * 2 * gathered(0, table, 2));
  });

  it('gathers once for a block that is computed again and its backward', async () => {
    const plain = await run(2, 'fsdp');
    const again = await run(2, 'fsdp', {recompute: 'block'});
    expect(again.traffic).toEqual(plain.traffic);
  });

  it('gathers and scatters for every micro-batch, stage 1 scatters once', async () => {
    const sent = async (strategy: 'zero1' | 'fsdp', microBatches: number) =>
      (await run(2, strategy, {microBatches})).traffic
        .filter(({rank, operation}) => rank === 1 && /gradients|parameters/.test(operation))
        .reduce((sum, one) => sum + one.sent, 0);
    expect(await sent('fsdp', 2)).toBe(2 * (await sent('fsdp', 1)));
    expect(await sent('zero1', 2)).toBe(await sent('zero1', 1));
  });

  it('trains a model that one device refuses', async () => {
    const made = model();
    const memoryLimit = Math.round(14 * made.countParams());
    await expect(
      trainParallel(made, data, {
        batchSize: BATCH,
        devices: 2,
        strategy: 'dataParallel',
        verbose: 0,
        memoryLimit,
      }),
    ).rejects.toThrow(/memoryLimit is .* Alive are parameters .*strategy 'fsdp' shards all three/s);
    const {record} = await run(4, 'fsdp', {memoryLimit}, made);
    expect(record.steps).toHaveLength(STEPS);
  });

  it('spans show gathers and scatters beside the layers', async () => {
    const {trace} = await run(2, 'fsdp');
    const names = new Set(
      trace.spans.filter(({kind}) => kind === 'communication').map(({name}) => name),
    );
    for (const name of ['gather block_0', 'scatter block_3', 'gather embedding'])
      expect([...names]).toContain(name);
  });
});

describe('what cannot be', () => {
  it('is refused with what can', async () => {
    await expect(run(2, 'zero4' as 'zero1')).rejects.toThrow(
      /strategy must be 'auto', 'dataParallel', 'zero1', 'zero2', 'fsdp', 'tensorParallel', 'pipelineParallel' or a strategy object/,
    );
    await expect(run(2, {mesh: {data: 2}, zero: 5} as unknown as 'zero1')).rejects.toThrow(
      /strategy.zero must be 0, 1, 2 or 3/,
    );
    await expect(run(2, {kind: 'zero1', zero: 2} as unknown as 'zero1')).rejects.toThrow(
      /give one of them/,
    );
    expect((await run(2, {mesh: {data: -1}, zero: 3} as unknown as 'fsdp')).plan).toMatchObject({
      mesh: {data: 2},
      zero: 3,
    });
  });
});
