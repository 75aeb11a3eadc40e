/**
 * What becomes of a run when something goes wrong on one rank, by a schedule {rank, step, fault}.
 * Each test sees that the fault really fired, that the message names rank, cause and next step, and
 * that nothing is left behind.
 */
import {existsSync, mkdtempSync, readdirSync, readFileSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, afterEach, beforeAll, beforeEach, describe, expect, it} from 'vitest';
import {
  closeWorkers,
  ManyHandsError,
  mlp,
  mnist,
  onRun,
  tf,
  trainParallel,
  type TrainParallelOptions,
} from '#lib/public/course.js';
import {childrenOf, sharedNames} from '../helpers/processes';

interface Fault {
  rank: number | 'all' | 'first';
  step: number | 'every';
  fault: 'throw' | 'hang' | 'kill' | 'stop' | 'slow' | 'late' | 'killSoon' | 'nan';
}
interface Fired extends Fault {
  on: number;
  at: number;
  pid: number;
  time: number;
}

const fixture = join(__dirname, 'fixtures', 'faultLayer.cjs');
// eslint-disable-next-line @typescript-eslint/no-require-imports
const {FaultLayer} = require(fixture) as {FaultLayer: new (config: object) => tf.layers.Layer};
const RANKS = 3;
const BATCH = 12;
const STEPS = 6;
const data = mnist({train: BATCH * STEPS, test: 0, flat: true}).train;

// Workers take the environment of their start, so those of this file are started and ended here.
const folder = mkdtempSync(join(tmpdir(), 'faults-'));
const file = join(folder, 'fired');
beforeAll(async () => {
  await closeWorkers();
  process.env.FAULTS_FILE = file;
});
afterAll(async () => {
  await closeWorkers();
  delete process.env.FAULTS_FILE;
  rmSync(folder, {recursive: true, force: true});
  expect(children()).toEqual([]);
});

const children = () => childrenOf(process.pid);
beforeEach(() => {
  for (const name of readdirSync(folder)) rmSync(join(folder, name));
});
afterEach(() => expect(sharedNames()).toEqual([]));

function model(schedule: Fault[]): tf.Sequential {
  const made = tf.sequential();
  made.add(
    tf.layers.dense({
      name: 'first',
      inputShape: [784],
      units: 16,
      kernelInitializer: tf.initializers.glorotUniform({seed: 1}),
    }),
  );
  made.add(new FaultLayer({name: 'fault', schedule, ranks: RANKS, batchSize: BATCH}));
  made.add(
    tf.layers.dense({
      name: 'second',
      units: 10,
      activation: 'softmax',
      kernelInitializer: tf.initializers.glorotUniform({seed: 2}),
    }),
  );
  made.compile({optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy'});
  return made;
}

/** A divided pair, and after it the layer that fails. */
function tensorModel(schedule: Fault[]): tf.Sequential {
  const made = tf.sequential();
  const dense = (name: string, units: number, rest: object = {}) =>
    tf.layers.dense({
      name,
      units,
      kernelInitializer: tf.initializers.glorotUniform({seed: 1}),
      ...rest,
    });
  made.add(dense('first', 16, {inputShape: [784]}));
  made.add(dense('second', 12));
  made.add(new FaultLayer({name: 'fault', schedule, ranks: RANKS, batchSize: BATCH}));
  made.add(dense('third', 10, {activation: 'softmax'}));
  made.compile({optimizer: 'sgd', loss: 'sparseCategoricalCrossentropy'});
  return made;
}

const fired = (): Fired[] =>
  existsSync(file)
    ? readFileSync(file, 'utf8')
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Fired)
    : [];

const run = (schedule: Fault[], options: TrainParallelOptions = {}, make = model) =>
  trainParallel(make(schedule), data, {
    batchSize: BATCH,
    devices: Array.from({length: RANKS}, () => 'cpu'),
    strategy: 'dataParallel',
    shuffle: false,
    seed: 1,
    verbose: 0,
    modules: [fixture],
    ...options,
  });

async function failure(
  schedule: Fault[],
  options: TrainParallelOptions = {},
  make = model,
): Promise<{error: ManyHandsError; seconds: number; after: number; firedOnce: Fired}> {
  const start = performance.now();
  try {
    await run(schedule, options, make);
  } catch (error) {
    expect(error).toBeInstanceOf(ManyHandsError);
    const all = fired();
    if (all.length === 0) throw error;
    const last = all[all.length - 1];
    return {
      error: error as ManyHandsError,
      seconds: (performance.now() - start) / 1000,
      after: (Date.now() - last.time) / 1000,
      firedOnce: all[0],
    };
  }
  throw new Error('the run ended well');
}

/** A run without faults on the same pool: nothing of the last one is in its way. */
async function goesOn(): Promise<void> {
  rmSync(file, {force: true});
  const {record} = await run([]);
  expect(record.steps).toHaveLength(STEPS);
}

describe.runIf(process.platform === 'linux')('a fault on one rank', () => {
  it('1: SIGKILL between steps is noticed at once, names the rank, and the model has no step of it', async () => {
    const {error, after, firedOnce} = await failure([{rank: 1, step: 2, fault: 'kill'}]);
    expect(firedOnce).toMatchObject({on: 1, at: 2});
    expect(error.code).toBe('WORKER');
    expect(error.message).toMatch(
      /rank 1 of 3: .*SIGKILL.*ran out of memory.*smaller batchSize.*The other ranks were stopped\./s,
    );
    expect(after).toBeLessThan(10);
    await goesOn();
  });

  it('2: SIGKILL in the middle of an all-reduce frees the others, and the recorder has the call that was under way', async () => {
    const {error, after, firedOnce} = await failure([
      {rank: 1, step: 3, fault: 'killSoon'},
      {rank: 2, step: 3, fault: 'late'},
    ]);
    expect(firedOnce.at).toBe(3);
    expect(error.code).toBe('WORKER');
    expect(error.message).toMatch(
      /rank 1 of 3: .*SIGKILL.*Its last collective: \w+ '[^']+' number \d+ of [\d,]+ float32, started\./s,
    );
    expect(after).toBeLessThan(10);
    await goesOn();
  });

  it("3: an error in a layer's own code is the headline, with its rank; the others are not blamed", async () => {
    const {error, firedOnce} = await failure([{rank: 2, step: 1, fault: 'throw'}]);
    expect(firedOnce).toMatchObject({on: 2, at: 1});
    expect(error.message).toMatch(/rank 2 of 3: .*no such frame/s);
    expect(error.message).not.toMatch(/rank 0|rank 1/);
    await goesOn();
  });

  it.each(['hang', 'stop'] as const)(
    "4: a rank that does not go on ('%s') is named after the deadline with what the others waited for, and ended",
    async (fault) => {
      const {error, firedOnce} = await failure([{rank: 0, step: 2, fault}], {timeoutMs: 1500});
      expect(firedOnce).toMatchObject({on: 0, at: 2});
      expect(error.code).toBe('TIMEOUT');
      expect(error.message).toMatch(
        /waited 1\.5 s in (allReduce|reduceScatter) 'gradients' .* for rank 0/,
      );
      expect(error.message).toMatch(/endless loop|timeoutMs/);
      await goesOn();
    },
  );

  it('5: a slow rank is warned of, and ends nothing', async () => {
    const printed: string[] = [];
    const stop = onRun(
      (event) => void (event.type === 'output' && printed.push(`${event.rank}: ${event.text}`)),
    );
    const result = await run([{rank: 2, step: 'every', fault: 'slow'}], {verbose: 1});
    stop();
    expect(fired().filter(({on}) => on === 2)).toHaveLength(STEPS);
    expect(result.straggler).toMatchObject({rank: 2});
    expect(result.straggler!.times).toBeGreaterThan(1.5);
    expect(printed).toEqual([expect.stringMatching(/^2: warning: straggler rank 2, \d+\.\d×/)]);
    expect(result.record.steps).toHaveLength(STEPS);
  });

  it.each(['fsdp'] as const)(
    'with shards (%s): an error on one rank, and a death, name the rank, and the pool goes on',
    async (strategy) => {
      const thrown = await failure([{rank: 1, step: 2, fault: 'throw'}], {strategy});
      expect(thrown.error.message).toMatch(/rank 1 of 3: .*no such frame/s);
      await goesOn();
      rmSync(file, {force: true});
      const killed = await failure([{rank: 2, step: 1, fault: 'kill'}], {strategy});
      expect(killed.error.code).toBe('WORKER');
      expect(killed.error.message).toMatch(/rank 2 of 3: .*SIGKILL/s);
      expect(killed.after).toBeLessThan(10);
      await goesOn();
    },
  );

  it('in a pipeline: an error, a death and a stage that does not go on name the stage, and the pool goes on', async () => {
    const options: TrainParallelOptions = {
      strategy: {kind: 'pipelineParallel', microBatches: 4, splitAt: ['fault', 'second']},
    };
    const thrown = await failure([{rank: 'all', step: 2, fault: 'throw'}], options);
    expect(thrown.error.message).toMatch(/rank 1 of 3: .*no such frame/s);
    await goesOn();
    rmSync(file, {force: true});
    const killed = await failure([{rank: 'all', step: 1, fault: 'kill'}], options);
    expect(killed.error.code).toBe('WORKER');
    expect(killed.error.message).toMatch(/rank 1 of 3: .*SIGKILL/s);
    expect(killed.after).toBeLessThan(10);
    await goesOn();
    rmSync(file, {force: true});
    const hung = await failure([{rank: 'all', step: 1, fault: 'hang'}], {
      ...options,
      timeoutMs: 1500,
    });
    expect(hung.error.code).toBe('TIMEOUT');
    expect(hung.error.message).toMatch(
      /waited 1\.5 s in recv '(activations|gradients)' from rank 1/,
    );
    await goesOn();
  });

  it('where a matrix is divided: an error and a death on one rank, all of which see every sample, end the run, and the pool goes on', async () => {
    const options: TrainParallelOptions = {
      strategy: {kind: 'tensorParallel', layout: {first: 'column', second: 'row'}},
    };
    const thrown = await failure([{rank: 'first', step: 2, fault: 'throw'}], options, tensorModel);
    expect(thrown.error.message).toMatch(/rank [0-2] of 3: .*no such frame/s);
    await goesOn();
    rmSync(`${file}.first`);
    const killed = await failure([{rank: 'first', step: 1, fault: 'kill'}], options, tensorModel);
    expect(killed.error.code).toBe('WORKER');
    expect(killed.error.message).toMatch(/rank [0-2] of 3: .*SIGKILL/s);
    expect(killed.after).toBeLessThan(10);
    await goesOn();
    rmSync(`${file}.first`);
    const hung = await failure(
      [{rank: 'first', step: 1, fault: 'hang'}],
      {...options, timeoutMs: 1500},
      tensorModel,
    );
    expect(hung.error.code).toBe('TIMEOUT');
    expect(hung.error.message).toMatch(
      /waited 1\.5 s in all(Reduce|Gather) '[a-z ]+' .* for rank [0-2]/,
    );
    await goesOn();
  });

  it('a callback that throws ends the run at once with its own error, and the workers go on', async () => {
    const start = performance.now();
    let thrownAt = 0;
    const late = new RangeError('no more disk');
    const caught = await run([], {
      epochs: 50,
      callbacks: {
        onEpochEnd: (epoch: number) => {
          if (epoch < 2) return;
          thrownAt = performance.now();
          throw late;
        },
      },
    }).catch((thrown: unknown) => thrown);
    expect(caught).toBe(late);
    expect(thrownAt).toBeGreaterThan(start);
    expect(performance.now() - thrownAt).toBeLessThan(2000);
    const before = children();
    await goesOn();
    expect(children()).toEqual(before);
  });

  it('32: the same error on every rank is one report', async () => {
    const {error} = await failure([{rank: 'all', step: 1, fault: 'throw'}]);
    expect(new Set(fired().map(({on}) => on)).size).toBeGreaterThan(1);
    expect(error.message.match(/no such frame/g)).toHaveLength(1);
    expect(error.message).toMatch(/all 3 ranks|ranks \d, \d of 3|rank \d of 3/);
    await goesOn();
  });
});

describe('8: uneven data', () => {
  it('fewer samples than ranks, and a last batch that leaves ranks without any', async () => {
    const few = mnist({train: BATCH + 2, test: 0, flat: true}).train;
    const result = await trainParallel(mlp({units: [8], seed: 1}), few, {
      batchSize: BATCH,
      devices: ['cpu', 'cpu', 'cpu', 'cpu'],
      strategy: 'dataParallel',
      verbose: 0,
      seed: 1,
    });
    expect(result.record.steps).toHaveLength(2);
    const two = mnist({train: 2, test: 0, flat: true}).train;
    expect(
      (
        await trainParallel(mlp({units: [8], seed: 1}), two, {
          batchSize: 2,
          devices: ['cpu', 'cpu', 'cpu'],
          strategy: 'dataParallel',
          verbose: 0,
          seed: 1,
        })
      ).record.steps,
    ).toHaveLength(1);
  });
});

describe('9: a number that is none', () => {
  it('in the data is refused before a worker starts, with its place', async () => {
    const xs = new Float32Array(BATCH * 4).fill(0.5);
    xs[5 * 4 + 1] = NaN;
    const before = children();
    const error = (await trainParallel(
      mlp({inputShape: [4], units: [4], classes: 3, seed: 1}),
      {
        xs: {values: xs, shape: [BATCH, 4]},
        ys: {values: new Float32Array(BATCH), shape: [BATCH, 1]},
      },
      {
        devices: ['cpu', 'cpu', 'cpu'],
        strategy: 'dataParallel',
        verbose: 0,
      },
    ).catch((thrown: unknown) => thrown)) as ManyHandsError;
    expect(error.code).toBe('BAD_DATA');
    expect(error.message).toMatch(/NaN/);
    expect(children()).toEqual(before);
  });

  it("in one rank's share of a step stops every rank before the update; the model stays as it was", async () => {
    const broken = model([{rank: 1, step: 2, fault: 'nan'}]);
    const before = broken.getWeights().map((weight) => Array.from(weight.dataSync()));
    const error = (await trainParallel(broken, data, {
      batchSize: BATCH,
      devices: Array.from({length: RANKS}, () => 'cpu'),
      strategy: 'dataParallel',
      shuffle: false,
      seed: 1,
      verbose: 0,
      modules: [fixture],
    }).catch((thrown: unknown) => thrown)) as ManyHandsError;
    expect(fired()).toEqual([expect.objectContaining({on: 1, at: 2})]);
    expect(error.code).toBe('NOT_FINITE');
    expect(error.message).toMatch(
      /(all 3 ranks|ranks? [\d, ]+ of 3): the loss of step 2 is NaN.*not taken.*It came from the share of rank 1\..*gradient that is not a number is that of '(first|second)\/.*Look for a number in the data/s,
    );
    expect(broken.getWeights().map((weight) => Array.from(weight.dataSync()))).toEqual(before);
  });
});

describe('31: the caller meddles', () => {
  it('a model that is disposed of while it is trained is a typed error, and leaves nothing', async () => {
    const doomed = mlp({units: [8], seed: 1});
    const running = trainParallel(doomed, data, {
      batchSize: BATCH,
      epochs: 20,
      devices: ['cpu', 'cpu'],
      strategy: 'dataParallel',
      verbose: 0,
      callbacks: {onEpochEnd: (epoch: number) => void (epoch === 1 && doomed.dispose())},
    });
    await expect(running).rejects.toBeInstanceOf(ManyHandsError);
  });

  it('no rank leaks a tensor over many steps', async () => {
    const many = mnist({train: 4 * 300, test: 0, flat: true}).train;
    const before = tf.memory().numTensors;
    const leaky = mlp({units: [8], seed: 1});
    const own = tf.memory().numTensors;
    const {memory: long} = await trainParallel(leaky, many, {
      batchSize: 4,
      devices: ['cpu', 'cpu'],
      strategy: 'dataParallel',
      verbose: 0,
      seed: 1,
      trace: false,
    });
    const {memory: short} = await trainParallel(leaky, many, {
      batchSize: 4,
      epochs: 2,
      initialEpoch: 1,
      devices: ['cpu', 'cpu'],
      strategy: 'dataParallel',
      verbose: 0,
      seed: 1,
      trace: false,
    });
    expect(tf.memory().numTensors).toBe(own);
    expect(own).toBeGreaterThan(before);
    // Every tensor alive counts, so what leaked in 300 steps would stand in the peak.
    for (const rank of [0, 1])
      expect(long[rank].peakBytes).toBeLessThan(1.05 * short[rank].peakBytes + 4096);
    const few = await trainParallel(leaky, mnist({train: 8, test: 0, flat: true}).train, {
      batchSize: 4,
      devices: ['cpu', 'cpu'],
      strategy: 'dataParallel',
      verbose: 0,
      seed: 1,
      trace: false,
    });
    for (const rank of [0, 1])
      expect(long[rank].peakBytes).toBeLessThan(1.05 * few.memory[rank].peakBytes + 4096);
  });
});

describe('what cannot be trained is refused before a worker starts', () => {
  const uncompiled = tf.sequential({layers: [tf.layers.dense({inputShape: [784], units: 10})]});
  const closure = tf.sequential({layers: [tf.layers.dense({inputShape: [784], units: 10})]});
  closure.compile({
    optimizer: 'sgd',
    loss: (yTrue: tf.Tensor, yPred: tf.Tensor) => tf.losses.meanSquaredError(yTrue, yPred),
  });
  it.each<[string, tf.LayersModel, TrainParallelOptions, RegExp]>([
    [
      'more devices than make sense',
      mlp({seed: 1}),
      {devices: 500},
      /500 CPU workers on \d+ cores/,
    ],
    ['no device at all', mlp({seed: 1}), {devices: 0}, /devices must be a whole number from 1/],
    ['a model that is not compiled', uncompiled, {devices: 2}, /compile/],
    ['a loss that is a closure', closure, {devices: 2}, /modules/],
    ['an unknown option', mlp({seed: 1}), {device: 2} as object, /no option 'device'/],
    [
      'an unknown strategy',
      mlp({seed: 1}),
      {strategy: 'dataparallel' as 'dataParallel'},
      /strategy must be/,
    ],
  ])('%s', async (_, made, options, message) => {
    const before = children();
    const error = (await trainParallel(made, data, {verbose: 0, ...options}).catch(
      (thrown: unknown) => thrown,
    )) as ManyHandsError;
    expect(error).toBeInstanceOf(ManyHandsError);
    expect(error.message).toMatch(message);
    expect(children()).toEqual(before);
  });
});
