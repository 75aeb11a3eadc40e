/**
 * What a run leaves in a worker that lives on: nothing, however the run ended.
 */
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import * as tf from '@tensorflow/tfjs';
import '#lib/devices/register.js';
import type {Strategy} from '#lib/config/options.js';
import {spmd} from '#lib/run/spmd.js';
import {trainParallelOver} from '#lib/trainParallel.js';
import {closeWorkers} from '#lib/workers/pool.js';

/** One layer more than two units of ZeRO, a pair of layers to shard, a batch norm and a dropout. */
function model(): tf.LayersModel {
  const layers = [
    tf.layers.dense({name: 'a/up', units: 4, inputShape: [3], activation: 'relu'}),
    tf.layers.dense({name: 'a/down', units: 2}),
    tf.layers.batchNormalization({name: 'b/norm'}),
    tf.layers.dropout({name: 'b/drop', rate: 0.3}),
    tf.layers.dense({name: 'c/out', units: 1}),
  ];
  const sequential = tf.sequential({layers});
  sequential.compile({optimizer: 'adam', loss: 'meanSquaredError', metrics: ['mae']});
  return sequential;
}

/** The tensors of the one worker that the pool holds. */
async function tensorsLeft(): Promise<number> {
  const program = ({tf: engine}: {tf: typeof tf}) => engine.memory().numTensors;
  const [count] = await spmd(program, {devices: 1, threads: 1});
  return count;
}

const pair = {'a/up': 'column', 'a/down': 'row'} as const;
const STRATEGIES: Record<string, Strategy> = {
  copies: 'dataParallel',
  'ZeRO 1': 'zero1',
  'ZeRO 2': 'zero2',
  FSDP: 'fsdp',
  'a pipeline': {kind: 'pipelineParallel', microBatches: 2},
  'tensor parallelism': {kind: 'tensorParallel', layout: pair},
};

describe('a worker after a run', () => {
  const xs = tf.ones([8, 3]);
  const ys = tf.ones([8, 1]);
  const run = async (strategy: Strategy, fails: boolean) => {
    const trained = model();
    const callbacks = {
      onBatchEnd: async () => {
        if (fails) throw new Error('enough');
      },
    };
    const result = trainParallelOver(
      'inProcess',
      trained,
      {xs, ys},
      {
        ...{batchSize: 4, threads: 1, devices: 2, strategy, callbacks},
        verbose: 0,
      },
    );
    if (fails) await expect(result).rejects.toThrow('enough');
    else await result;
    trained.optimizer.dispose();
    trained.dispose();
  };

  beforeAll(async () => {
    await closeWorkers();
    // A first run makes what a process keeps for good.
    await run('fsdp', false);
  });

  afterAll(() => tf.dispose([xs, ys]));

  it.each(Object.entries(STRATEGIES))('with %s holds what it held before', async (_, strategy) => {
    const before = await tensorsLeft();
    await run(strategy, false);
    expect(await tensorsLeft()).toBe(before);
    await run(strategy, true);
    expect(await tensorsLeft()).toBe(before);
  });
});
