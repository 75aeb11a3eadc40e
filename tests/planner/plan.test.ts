/**
 * Plans of real models: rows that run as they are, memory that is measured, refusals, and what
 * 'auto' takes.
 */
import {rankCorrelation, ratioInterval} from '#lib/base/statistics.js';
import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {
  calibrate,
  mlp,
  mnist,
  plan,
  validatePlan,
  rowName,
  tf,
  train,
  trainParallel,
  transformer,
  textCorpus,
  type PlanRow,
} from '#lib/public/course.js';
import type {Measured} from '#lib/planner/machine.js';
import {planFrom} from '#lib/planner/plan.js';
import {cpus} from '../helpers/devices';
import {timesAt, type StepTimes} from '#lib/planner/stepTimes.js';
import {temporaryFolder} from '../helpers/folders';

let cache: string;
beforeAll(() => {
  cache = temporaryFolder('planner');
  process.env.XDG_CACHE_HOME = cache;
});
afterAll(() => {
  delete process.env.XDG_CACHE_HOME;
});

const BATCH = 16;
const text = textCorpus({sequence: 8, samples: 2 * BATCH, seed: 1});
const model = () =>
  transformer({layers: 2, hidden: 16, heads: 4, sequence: 8, seed: 1, optimizer: 'adam'});
/** What `plan` measured of this model on one machine; which plan follows from it needs no clock. */
const recorded = JSON.parse(
  readFileSync(join(__dirname, 'fixtures', 'transformerOnTwoCores.json'), 'utf8'),
) as Measured;

describe('calibrate', () => {
  it('measures every operation between two workers, and remembers', async () => {
    const machine = await calibrate({devices: cpus(2)});
    expect(new Set(machine.links.map(({operation}) => operation))).toEqual(
      new Set([
        'sumTensor',
        'allReduce',
        'reduceScatter',
        'allGather',
        'send',
        'read',
        'dispatch',
        'barrier',
      ]),
    );
    for (const {alpha, beta, ranks} of machine.links) {
      expect(alpha).toBeGreaterThanOrEqual(0);
      expect(beta).toBeGreaterThanOrEqual(0);
      expect(ranks).toBe(2);
    }
    expect(machine.memoryBytes).toBeGreaterThan(1e8);
    expect(await calibrate({devices: cpus(2)})).toEqual(machine);
  });
  it('refuses what it cannot read', async () => {
    await expect(calibrate({fresh: 1 as unknown as boolean})).rejects.toThrow(
      /fresh must be true or false; it is 1/,
    );
    await expect(calibrate({devices: 0})).rejects.toThrow(/devices must be a whole number from 1/);
  });
});

describe('plan', () => {
  let rows: PlanRow[];
  beforeAll(async () => {
    rows = await planFrom(recorded, model(), {
      batchSize: BATCH,
      devices: cpus(2),
      samples: 10 * BATCH,
    });
  });

  it('has every mesh of two devices and of one, and every stage of ZeRO, each once', () => {
    const names = rows.map(rowName);
    for (const name of [
      'one device',
      'dataParallel',
      'zero1',
      'zero2',
      'fsdp',
      'tensorParallel',
      'pipelineParallel, 1f1b, 2 micro-batches',
      "dataParallel, recompute 'block'",
    ])
      expect(names).toContain(name);
    expect(new Set(names).size).toBe(names.length);
  });

  it('foretells parts that add up, and device-seconds', () => {
    for (const {
      prediction: {stepSeconds, parts, memory, deviceSecondsPerEpoch, batchSize},
      strategy: {devices},
    } of rows) {
      expect(Object.values(parts).reduce((sum, one) => sum + one, 0)).toBeCloseTo(stepSeconds, 9);
      expect(
        memory.parameters +
          memory.gradients +
          memory.optimizer +
          memory.activations +
          memory.buffers,
      ).toBeCloseTo(memory.total, 3);
      expect(deviceSecondsPerEpoch).toBeCloseTo(10 * devices * stepSeconds, 9);
      expect(batchSize).toBe(BATCH);
    }
  });

  it('puts what does not fit last, and says why', async () => {
    const limit = rows.find((row) => rowName(row) === 'fsdp')!.prediction.memory.total * 1.01;
    const tight = await planFrom(recorded, model(), {
      batchSize: BATCH,
      devices: cpus(2),
      memoryLimit: Math.ceil(limit),
    });
    const fits = tight.map(({prediction}) => prediction.fits);
    expect(fits).toEqual([...fits].sort((a, b) => Number(b) - Number(a)));
    expect(fits).toContain(false);
    expect(tight.find(({prediction}) => !prediction.fits)!.reason).toMatch(
      /^does not fit: .* including .* of (parameters|gradients|optimizer|activations|buffers); the limit is/,
    );
    expect(tight[0].reason).not.toMatch(/does not fit:/);
  });

  it('tells one device to stay alone', async () => {
    const [alone] = await planFrom(recorded, model(), {batchSize: BATCH, devices: ['cpu']});
    expect(alone.strategy.devices).toBe(1);
    expect(alone.reason).toMatch(/^do not parallelise: the model fits one device/);
  });

  it.each([
    ['an unknown option', {batch: 3}, /plan has no option 'batch'. It knows: batchSize/],
    ['no batch', {batchSize: 0}, /batchSize must be a whole number from 1; it is 0/],
    ['no samples', {samples: 1.5}, /samples must be a whole number from 1/],
  ] as const)('refuses %s', async (_, options, message) => {
    await expect(plan(model(), options as object)).rejects.toThrow(message);
  });

  it('foretells the memory of the rows that it has within 15 %', async () => {
    for (const row of rows.filter(({strategy: {recompute}}) => recompute === 'none')) {
      const {microBatches, devices} = row.strategy;
      const options = {batchSize: BATCH, seed: 1, verbose: 0 as const, threads: 1};
      const {memory} =
        devices === 1
          ? await train(model(), text, {...options, microBatches, devices: ['cpu']})
          : await trainParallel(model(), text, {
              ...options,
              devices: cpus(2),
              strategy: row.strategy,
            });
      const measured = Math.max(...memory.map(({peakBytes}) => peakBytes));
      expect(
        Math.abs(row.prediction.memory.total / measured - 1),
        `${rowName(row)}: ${row.prediction.memory.total} of ${measured}`,
      ).toBeLessThan(0.15);
    }
  });
});

describe("'auto'", () => {
  // The one plan that is measured here and now.
  it('takes what the plan puts first, and says so; a row uses the devices that it names', async () => {
    const data = mnist({train: 4 * BATCH, test: 0, flat: true}).train;
    const small = () => mlp({units: [8], seed: 1});
    const rows = await plan(small(), {batchSize: BATCH, devices: cpus(2)});
    const result = await trainParallel(small(), data, {
      batchSize: BATCH,
      devices: cpus(2),
      strategy: 'auto',
      verbose: 0,
      seed: 1,
    });
    expect(result.devices).toHaveLength(rows[0].strategy.devices);
    expect({...result.plan.mesh}).toEqual({...rows[0].strategy.mesh});
    expect(result.plan.origin).toBe('auto');
    expect(result.plan.reason).toMatch(/^chosen by 'auto': /);
    expect(result.plan.reason).toContain(`The plan says: ${rows[0].reason}`);
    const one = rows.find(({strategy}) => strategy.devices === 1)!.strategy;
    expect(
      (
        await trainParallel(small(), data, {
          batchSize: BATCH,
          devices: cpus(2),
          strategy: one,
          verbose: 0,
          seed: 1,
        })
      ).devices,
    ).toHaveLength(1);
    await expect(
      trainParallel(small(), data, {
        batchSize: BATCH,
        devices: cpus(2),
        strategy: {...one, devices: 3},
        verbose: 0,
      }),
    ).rejects.toThrow(/strategy\.devices must be a whole number from 1 to 2/);
  });
});

describe('proof', () => {
  it('runs the first three and a loser in turn, and leaves the model alone', async () => {
    const made = model();
    const before = tf.concat(made.getWeights().map((weight) => weight.flatten())).dataSync();
    const rows = await planFrom(recorded, made, {batchSize: BATCH, devices: cpus(2)});
    const {
      rows: proved,
      rounds,
      regret,
      right,
      rankCorrelation: correlation,
    } = await validatePlan(made, text, rows, {seconds: 0.1, devices: cpus(2)});
    expect(proved.map(({row}) => row).slice(0, 3)).toEqual(rows.slice(0, 3));
    expect(proved).toHaveLength(4);
    expect(rounds).toBeGreaterThanOrEqual(3);
    expect(regret).toBeGreaterThanOrEqual(0);
    if (regret <= 0.05) expect(right).toBe(true);
    expect(Math.abs(correlation!)).toBeLessThanOrEqual(1);
    for (const {measuredSeconds, measuredBytes, interval} of proved) {
      expect(measuredSeconds).toBeGreaterThan(0);
      expect(measuredBytes).toBeGreaterThan(0);
      expect(interval[0]).toBeLessThanOrEqual(interval[1]);
    }
    expect(tf.concat(made.getWeights().map((weight) => weight.flatten())).dataSync()).toEqual(
      before,
    );
    await expect(validatePlan(made, text, [], {})).rejects.toThrow(
      /validatePlan: rows must be the rows of a plan/,
    );
    await expect(validatePlan(made, text, rows, {seconds: 0})).rejects.toThrow(
      /seconds must be a number of seconds above 0/,
    );
  });
});

describe('statistics', () => {
  it("an interval by Student's t, by hand", () => {
    const [low, high] = ratioInterval([1, 4]);
    const reach = (12.706 * Math.abs(Math.log(4))) / 2;
    expect(low).toBeCloseTo(2 * Math.exp(-reach), 6);
    expect(high / (2 * Math.exp(reach))).toBeCloseTo(1, 9);
    expect(ratioInterval([1.2])).toEqual([0, Infinity]);
  });
  it('rank correlation: 1, -1, ties and nothing', () => {
    expect(rankCorrelation([1, 2, 3], [10, 20, 90])).toBeCloseTo(1);
    expect(rankCorrelation([1, 2, 3], [3, 2, 1])).toBeCloseTo(-1);
    expect(rankCorrelation([1, 2, 2, 3], [1, 2, 2, 3])).toBeCloseTo(1);
    expect(rankCorrelation([1, 1], [1, 2])).toBeNull();
  });
  it('times between two sizes lie on the line, and beyond them too', () => {
    const at = (samples: number, seconds: number): StepTimes => ({
      samples,
      workers: 2,
      forward: [seconds],
      backward: [2 * seconds],
      loss: 0,
      input: 0,
      update: 1,
      rest: 0,
      slowest: 1,
    });
    const times = [at(8, 1), at(16, 2), at(32, 6)];
    expect(timesAt(times, 16, 2).forward).toEqual([2]);
    expect(timesAt(times, 12, 2).forward).toEqual([1.5]);
    expect(timesAt(times, 4, 2).forward).toEqual([0.5]);
    expect(timesAt(times, 64, 2).forward).toEqual([14]);
  });
});
