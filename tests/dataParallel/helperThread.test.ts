import {readdirSync, readFileSync} from 'node:fs';
import {afterAll, describe, expect, it} from 'vitest';
import {createCommunicator} from '#lib/collectives/communicator.js';
import {createSharedGroup, joinSharedGroup} from '#lib/collectives/sharedMemory/index.js';
import type {CommWork} from '#lib/dataParallel/commWork.js';
import {ThreadCommStream} from '#lib/dataParallel/threadCommStream.js';
import {mnist} from '#lib/data/index.js';
import {closeWorkers, trainParallel, type TrainParallelOptions} from '#lib/index.js';
import {mlp} from '#lib/models/index.js';

afterAll(() => closeWorkers());

/** How often this process has mapped memory of Many Hands. */
const mappings = () => readFileSync('/proc/self/maps', 'utf8').split('memfd:many-hands').length - 1;

/** Runs `use` with a stream that reduces two buckets of this rank; nobody else is in its group. */
async function withStream(
  use: (stream: ThreadCommStream, flat: Float32Array) => Promise<void>,
  size = 1,
): Promise<number> {
  const arrays = createSharedGroup(1);
  const group = createSharedGroup(size);
  const comm = createCommunicator(joinSharedGroup(arrays.handle, 0));
  const flat = await comm.allocate(4, 'float32');
  const work: CommWork = {
    kind: 'reduce',
    flat,
    buckets: [
      {start: 0, end: 1},
      {start: 1, end: 4},
    ],
    operation: 'allReduce',
  };
  const stream = new ThreadCommStream(group.handle, 0, [0, 1].slice(0, size), work, true);
  const {threadId} = stream;
  try {
    await use(stream, flat);
  } finally {
    await stream.abort();
    comm.close();
    arrays.close();
    group.close();
  }
  return threadId;
}

const twoBuckets = async (stream: ThreadCommStream) => {
  stream.start(0, 3);
  await stream.wait(stream.start(1, 4));
  const {spans, ledger} = await stream.finish();
  expect(spans.map(({name, step}) => `${name} of step ${step}`)).toEqual([
    'bucket 0 of step 3',
    'bucket 1 of step 4',
  ]);
  expect(ledger.map(({operation}) => operation)).toEqual(['allReduce gradients']);
};

describe('a helper thread', () => {
  it('is kept for the next run, which starts afresh', async () => {
    const before = mappings();
    const first = await withStream(twoBuckets);
    expect(await withStream(twoBuckets)).toBe(first);
    expect(mappings()).toBe(before);
  });

  it('ends with a run that failed, and the next run has another', async () => {
    const before = mappings();
    const failed = await withStream(async (stream) => {
      stream.start(99, 0);
      await expect(stream.wait()).rejects.toThrow(/helper thread of a rank failed: TypeError/);
    });
    const next = await withStream(twoBuckets);
    expect(next).not.toBe(failed);
    expect(mappings()).toBe(before);
  });

  it('ends at once while it waits for a rank that does not come, and leaves no memory mapped', async () => {
    const before = mappings();
    const waiting = await withStream(async (stream) => {
      stream.start(0, 0);
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect(stream.isComplete(1)).toBe(false);
    }, 2);
    expect(await withStream(twoBuckets)).not.toBe(waiting);
    expect(mappings()).toBe(before);
  });
});

describe('the workers of several runs', () => {
  const data = mnist({train: 48, test: 0, flat: true}).train;
  const train = async (options: TrainParallelOptions = {}) => {
    const model = mlp({seed: 3});
    model.compile({optimizer: 'adam', loss: 'sparseCategoricalCrossentropy'});
    const {history} = await trainParallel(model, data, {
      devices: ['cpu', 'cpu'],
      strategy: 'fsdp',
      epochs: 1,
      batchSize: 16,
      verbose: 0,
      seed: 1,
      ...options,
    });
    model.dispose();
    return history.history.loss;
  };
  const childrenOf = () =>
    readFileSync(`/proc/${process.pid}/task/${process.pid}/children`, 'utf8').trim().split(' ');
  /** Every thread of every worker. */
  const threads = () => childrenOf().flatMap((pid) => readdirSync(`/proc/${pid}/task`));

  it('use the same threads and give the same numbers, also after a run that failed', async () => {
    const loss = await train();
    const workers = childrenOf();
    // Node and the engine start some of their own threads only in a later run. Helper threads that
    // were not used again would be new in every run.
    let settled = false;
    for (let run = 0; run < 5 && !settled; run++) {
      const before = threads();
      expect(await train()).toEqual(loss);
      settled = String(threads()) === String(before);
    }
    expect(settled).toBe(true);
    const stop = train({
      callbacks: {
        onBatchEnd: async () => {
          throw new Error('enough');
        },
      },
    });
    await expect(stop).rejects.toThrow('enough');
    expect(await train()).toEqual(loss);
    expect(childrenOf()).toEqual(workers);
  });
});
