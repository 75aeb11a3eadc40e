/**
 * What a pipeline that ran leaves: its trace, its memory, its traffic, its bubble; and what it
 * refuses.
 */
import {describe, expect, it} from 'vitest';
import * as tf from '@tensorflow/tfjs';
import '#lib/devices/register.js';
import {mlp, transformer} from '#lib/models/index.js';
import type {Action} from '#lib/pipelineParallel/schedule.js';
import {pipelineSchedule, SCHEDULE_NAMES} from '#lib/pipelineParallel/namedSchedules.js';
import {bubble, virtualTrace} from '#lib/report/bubble.js';
import {diagnoseIdle} from '#lib/report/diagnoseIdle.js';
import type {Strategy, StrategyFields, TrainParallelOptions} from '#lib/config/options.js';
import type {TrainResult} from '#lib/run/result.js';
import {spmd} from '#lib/run/spmd.js';
import type {SpmdContext} from '#lib/job/spmdProtocol.js';
import type {Span} from '#lib/trace/spans.js';
import {trainParallel, trainParallelOver} from '#lib/trainParallel.js';
import {cpus} from '../helpers/devices';

const WIDTH = 64;
function deep(layers = 8, units = WIDTH): tf.LayersModel {
  const model = tf.sequential({name: 'deep'});
  for (let i = 0; i < layers; i++)
    model.add(
      tf.layers.dense({
        name: `dense_${i}`,
        units,
        activation: 'relu',
        ...(i === 0 ? {inputShape: [units]} : {}),
      }),
    );
  model.compile({optimizer: 'sgd', loss: 'meanSquaredError'});
  return model;
}
const floats = (samples: number, width = WIDTH) => ({
  values: Float32Array.from({length: samples * width}, (_, i) => Math.sin(i)),
  shape: [samples, width],
});
const data = (samples: number, width = WIDTH) => ({
  xs: floats(samples, width),
  ys: floats(samples, width),
});
const run = (
  devices: number,
  fields: StrategyFields,
  more: TrainParallelOptions = {},
  model = deep(),
): Promise<TrainResult> =>
  trainParallel(model, data(64), {
    batchSize: 32,
    devices: cpus(devices),
    seed: 1,
    shuffle: false,
    verbose: 0,
    ...more,
    strategy: {kind: 'pipelineParallel', ...fields},
  });

/** An action's name as the trace has it. */
function spanOf(action: Action, stagesPerRank: number): string | null {
  if (action.do === 'update') return 'update update';
  const batch = `micro-batch ${action.microBatch + 1}`;
  if ('peer' in action)
    return action.do === 'send'
      ? `communication send ${batch}'s ${action.what}`
      : `wait ${batch}'s ${action.what}`;
  const parts: Record<string, string> = {backwardInput: ', input', backwardWeights: ', weights'};
  const part = parts[action.do] ?? '';
  return `${action.do === 'forward' ? 'forward' : 'backward'} ${batch}${stagesPerRank > 1 ? `, local stage ${action.localStage + 1}` : ''}${part}`;
}

describe('the trace', () => {
  it.each(SCHEDULE_NAMES)('of %s shows each action, in its order', async (name) => {
    const sizes = {ranks: 2, microBatches: 4};
    const {
      trace: {spans},
    } = await run(2, {schedule: name, microBatches: 4});
    pipelineSchedule(name, sizes).actions.forEach((list, rank) => {
      const expected = list.map((action) => spanOf(action, name === 'interleaved-1f1b' ? 2 : 1));
      const own = spans
        .filter(
          (span) =>
            span.rank === rank &&
            span.step === 1 &&
            span.kind !== 'input' &&
            span.name !== 'metrics',
        )
        .sort((a, b) => a.start - b.start);
      expect(own.map(({kind, name: what}) => `${kind} ${what}`)).toEqual(expected);
    });
  });

  it('says that every rank saw every sample', async () => {
    const {timing} = await run(3, {schedule: 'naive', microBatches: 1});
    expect(timing.map(({samples}) => samples)).toEqual([64, 64, 64]);
  });

  it('on the virtual clock has each compute once, none of a rank overlapping', async () => {
    const result = await run(4, {schedule: '1f1b', microBatches: 4});
    const {spans} = virtualTrace(result);
    expect(spans).toHaveLength(4 * 2 * 4);
    for (let rank = 0; rank < 4; rank++) {
      const own = spans.filter((span) => span.rank === rank);
      own
        .slice(1)
        .forEach((span, i) =>
          expect(span.start).toBeGreaterThanOrEqual(own[i].start + own[i].wallSeconds - 1e-9),
        );
    }
    const {expected, measured, virtual, timeSliced} = bubble(result);
    expect(expected).toBeCloseTo(3 / 7, 6);
    expect(virtual).toBeGreaterThan(0.2);
    expect(measured).toBeGreaterThan(0);
    expect(timeSliced).toBe(true);
  });
});

describe('memory and traffic', () => {
  it('1F1B keeps p - s micro-batches where GPipe keeps all m, to the byte between ranks', async () => {
    const activations = async (schedule: 'gpipe' | '1f1b') =>
      (await run(4, {schedule, microBatches: 8})).memory.map(
        ({byCategory}) => byCategory!.activations,
      );
    const [all, few] = [await activations('gpipe'), await activations('1f1b')];
    // Each rank keeps one micro-batch more than the rank after it; at GPipe's peak a backward has
    // not begun.
    const steps = few.slice(0, 2).map((bytes, rank) => bytes - few[rank + 1]);
    expect(steps[0]).toBe(steps[1]);
    expect(all[0]).toBeGreaterThanOrEqual(few[0] + 3 * steps[0]);
  });

  it("recompute: 'stage' keeps what enters a stage alone", async () => {
    const most = async (recompute: 'none' | 'stage') =>
      (await run(2, {schedule: 'gpipe', microBatches: 8, recompute})).memory[0].byCategory!
        .activations;
    expect(await most('stage')).toBeLessThan(0.7 * (await most('none')));
  });

  it('each rank holds the state of its stage alone', async () => {
    const {memory} = await run(4, {microBatches: 4}, {}, deep());
    for (const {stateBytes} of memory) expect(stateBytes).toBe(2 * 2 * 4 * (WIDTH * WIDTH + WIDTH));
  });

  it('sends each micro-batch once across each cut, one way and the other', async () => {
    const {traffic} = await run(3, {
      schedule: '1f1b',
      microBatches: 4,
      splitAt: ['dense_3', 'dense_6'],
    });
    const bytes = 2 * 32 * WIDTH * 4;
    const of = (rank: number, operation: string) =>
      traffic.find((line) => line.rank === rank && line.operation === operation);
    expect([
      of(0, 'send activations')?.sent,
      of(1, 'send activations')?.sent,
      of(1, 'send gradients')?.sent,
      of(2, 'send gradients')?.sent,
    ]).toEqual([bytes, bytes, bytes, bytes]);
    expect([
      of(1, 'recv activations')?.received,
      of(2, 'recv activations')?.received,
      of(0, 'recv gradients')?.received,
    ]).toEqual([bytes, bytes, bytes]);
  });
});

describe('a model that is too big for one', () => {
  it('fits when it is cut, and each says what it would need when it is not', async () => {
    const model = () => deep(8, 128);
    const options: TrainParallelOptions = {
      batchSize: 8,
      devices: cpus(4),
      seed: 1,
      verbose: 0,
      memoryLimit: '450kB',
    };
    await expect(
      trainParallel(model(), data(16, 128), {...options, strategy: 'dataParallel'}),
    ).rejects.toThrow(/memoryLimit is 450 kB/);
    const {memory} = await trainParallel(model(), data(16, 128), {
      ...options,
      strategy: {kind: 'pipelineParallel', schedule: 'naive', microBatches: 1},
    });
    for (const {peakBytes} of memory) expect(peakBytes).toBeLessThanOrEqual(450_000);
    await expect(
      trainParallel(model(), data(16, 128), {
        ...options,
        memoryLimit: '200kB',
        strategy: 'pipelineParallel',
      }),
    ).rejects.toThrow(/This rank holds its stage of the model/);
  });
});

describe('options that cannot be', () => {
  const wrong: Array<[string, Strategy, TrainParallelOptions, RegExp]> = [
    [
      'a field of pipelines without one',
      {kind: 'dataParallel', stagesPerRank: 2} as Strategy,
      {},
      /strategy\.stagesPerRank belongs to pipelines/,
    ],
    [
      "recompute: 'stage' without one",
      'dataParallel',
      {recompute: 'stage'},
      /recompute: 'stage' computes a pipeline's stage again/,
    ],
    [
      'micro-batches twice',
      {kind: 'pipelineParallel', microBatches: 4},
      {microBatches: 2},
      /microBatches is 2 .*strategy\.microBatches is 4/,
    ],
    [
      'recompute twice',
      {kind: 'pipelineParallel', recompute: 'stage'},
      {recompute: 'block'},
      /recompute is "block".*strategy\.recompute is "stage"/,
    ],
    [
      'm that p does not divide',
      {kind: 'pipelineParallel', schedule: 'interleaved-1f1b', microBatches: 3},
      {},
      /microBatches 3 is not divisible by 2: take 2 or 4/,
    ],
    [
      'more micro-batches than samples',
      {kind: 'pipelineParallel', microBatches: 64},
      {},
      /microBatches must be at most batchSize, which is 32/,
    ],
    [
      'a schedule for other ranks',
      {kind: 'pipelineParallel', schedule: pipelineSchedule('1f1b', {ranks: 3, microBatches: 4})},
      {},
      /a list of actions for 3 .*ranks; the pipeline has 2/,
    ],
    [
      'gradients that leave before they are made',
      {mesh: {data: 2, pipeline: 2}, zero: 2, schedule: 'zero-bubble'},
      {devices: cpus(4)},
      /zero: 2 gives gradients away after each backward, but the schedule 'zero-bubble' computes the gradients of the weights later: take zero 0 or 1/,
    ],
    [
      'a mesh of other devices',
      {mesh: {data: 2, pipeline: 2}},
      {},
      /data\(2\) x tensor\(1\) x pipeline\(2\) is not the number of devices, 2/,
    ],
    [
      'an axis that there is not',
      {mesh: {sequence: 2}} as Strategy,
      {},
      /strategy\.mesh has no axis 'sequence'/,
    ],
    ['two open axes', {mesh: {data: -1, pipeline: -1}}, {}, /leaves data and pipeline open/],
    [
      'zero in a pipeline',
      {mesh: {pipeline: 2}, zero: 1},
      {},
      /strategy\.zero: 1 divides work along the data axis/,
    ],
    [
      'too few cuts',
      {kind: 'pipelineParallel', splitAt: []},
      {},
      /splitAt names 0 beginnings of stages; 2 stages need 1/,
    ],
    [
      'cut and balanced',
      {kind: 'pipelineParallel', splitAt: ['dense_4'], balance: 'memory'},
      {},
      /give one of them/,
    ],
    [
      'an unknown balance',
      {kind: 'pipelineParallel', balance: 'weight'} as unknown as Strategy,
      {},
      /strategy\.balance must be 'layers', 'computed', 'measured' or 'memory'/,
    ],
  ];
  it.each(wrong)('%s', async (_, strategy, options, message) => {
    await expect(
      trainParallel(deep(), data(64), {
        batchSize: 32,
        devices: cpus(2),
        verbose: 0,
        ...options,
        strategy,
      }),
    ).rejects.toThrow(message);
  });

  it('-1 takes what is left over, and one device is one device', async () => {
    const options: TrainParallelOptions = {batchSize: 32, seed: 1, verbose: 0};
    const {plan} = await trainParallel(deep(), data(64), {
      ...options,
      devices: cpus(2),
      strategy: {mesh: {pipeline: -1}},
    });
    expect(plan).toMatchObject({
      mesh: {data: 1, tensor: 1, pipeline: 2},
      schedule: {name: '1f1b'},
      microBatches: 8,
      splitAt: ['dense_4'],
    });
    expect(
      (
        await trainParallel(deep(), data(64), {
          ...options,
          devices: cpus(1),
          strategy: 'pipelineParallel',
        })
      ).plan.mesh.pipeline,
    ).toBe(1);
  });
});

describe('what breaks', () => {
  it('a loss that is no number stops before the update, and says which step', async () => {
    const model = deep();
    model.compile({optimizer: tf.train.sgd(1e12), loss: 'meanSquaredError'});
    await expect(
      trainParallel(model, data(64), {
        batchSize: 16,
        devices: cpus(3),
        seed: 1,
        verbose: 0,
        strategy: 'pipelineParallel',
      }),
    ).rejects.toThrow(/the loss of step \d is (NaN|Infinity)/);
  });

  it('a callback that throws ends all stages', async () => {
    await expect(
      run(
        3,
        {},
        {
          callbacks: {
            onBatchEnd: () => {
              throw new Error('enough');
            },
          },
        },
      ),
    ).rejects.toThrow('enough');
    expect((await run(3, {})).record.steps).toHaveLength(2);
  });

  it("the early stop of a callback is every stage's", async () => {
    const model = deep();
    const result = await run(
      2,
      {},
      {epochs: 5, callbacks: {onEpochEnd: () => void (model.stopTraining = true)}},
      model,
    );
    expect(result.history.epoch).toEqual([0]);
  });
});

interface Fault {
  work: number[];
  link: number[];
  late: number[];
  oneByOne: boolean;
}

/** As the idle-workers lab of notebook 06. */
async function lab({rank, size, comm, trace, args}: SpmdContext<Fault>): Promise<Span[]> {
  const sleep = (ms: number) => new Promise((done) => setTimeout(done, ms));
  const message = new Float32Array(1);
  const work = async (kind: 'forward' | 'backward', batch: number, ms: number) => {
    trace.begin(kind, `micro-batch ${batch + 1}`);
    await sleep(ms);
  };
  const send = async (to: number) => {
    trace.begin('communication', 'send');
    await sleep(args.link[rank]);
    await comm.send(message, {to});
  };
  const recv = async (from: number) => {
    trace.begin('wait', 'message');
    await comm.recv(message, {from});
  };
  const forward = async (batch: number) => {
    if (rank > 0) await recv(rank - 1);
    await work('forward', batch, args.work[rank]);
    if (rank < size - 1) await send(rank + 1);
  };
  const backward = async (batch: number) => {
    if (rank < size - 1) await recv(rank + 1);
    await work('backward', batch, 2 * args.work[rank]);
    if (rank > 0) await send(rank - 1);
  };
  await comm.barrier();
  await sleep(args.late[rank]);
  const batches = [0, 1, 2, 3];
  if (args.oneByOne) {
    for (const batch of batches) {
      await forward(batch);
      await backward(batch);
    }
  } else {
    for (const batch of batches) await forward(batch);
    for (const batch of batches.reverse()) await backward(batch);
  }
  trace.end();
  return trace.spans;
}

describe('idle names', () => {
  const healthy: Fault = {work: [40, 40, 40], link: [0, 0, 0], late: [0, 0, 0], oneByOne: false};
  const faults: Array<[string, Partial<Fault>]> = [
    ['bubble', {}],
    ['unbalanced stages', {work: [40, 120, 40]}],
    ['slow link', {link: [120, 0, 0]}],
    ['a part connected late', {late: [0, 0, 320]}],
    ['wrong order', {oneByOne: true}],
  ];
  it.each(faults)('%s', async (cause, fault) => {
    const spans = (
      await spmd<Span[], Fault>(lab, {
        devices: cpus(3),
        timeoutMs: 5000,
        args: {...healthy, ...fault},
      })
    ).flat();
    const found = diagnoseIdle(spans);
    expect(found.cause).toBe(cause);
    expect(found.expected).toBeCloseTo(1 / 3, 9);
  });

  it('nothing without a trace, or of another strategy', async () => {
    await expect(run(2, {}, {trace: false}).then(diagnoseIdle)).rejects.toThrow(
      /train with trace: true/,
    );
    const other = await trainParallel(
      mlp({inputShape: [WIDTH], units: [8], classes: WIDTH, loss: 'meanSquaredError'}),
      data(32),
      {batchSize: 32, devices: cpus(2), verbose: 0, strategy: 'dataParallel'},
    );
    expect(() => diagnoseIdle(other)).toThrow(/this result does not come from a pipeline/);
    expect(() => diagnoseIdle([])).toThrow(/no forward or backward/);
  });
});

describe('ranks of one process', () => {
  const model = () =>
    transformer({layers: 2, hidden: 8, heads: 2, vocab: 12, sequence: 4, seed: 1});
  const tokens = {values: Int32Array.from({length: 64}, (_, i) => (i * 7) % 12), shape: [16, 4]};
  const text = {xs: tokens, ys: {...tokens, shape: [16, 4, 1]}};
  const strategies: Array<[string, number, Strategy]> = [
    ['a pipeline', 2, {kind: 'pipelineParallel', microBatches: 4}],
    ['tensor parallelism', 2, {kind: 'tensorParallel'}],
    ['data x pipeline', 4, {mesh: {data: 2, pipeline: 2}, microBatches: 4}],
    ['tensor x pipeline', 4, {mesh: {tensor: 2, pipeline: 2}, microBatches: 4}],
    ['data x tensor', 4, {mesh: {data: 2, tensor: 2}, zero: 1}],
  ];
  it.each(strategies)(
    'take turns, and learn and send what processes do: %s',
    async (_, count, strategy) => {
      const options: TrainParallelOptions = {
        batchSize: 8,
        devices: cpus(count),
        seed: 1,
        shuffle: false,
        verbose: 0,
        strategy,
      };
      const apart = await trainParallelOver('processes', model(), text, options);
      const together = await trainParallelOver('inProcess', model(), text, options);
      expect(apart.plan.reason).not.toMatch(/take turns/);
      expect(together.plan.reason).toMatch(/all ranks take turns in one process/);
      expect(apart.trace.spans.length).toBeGreaterThan(0);
      expect(together.trace.spans).toEqual([]);
      together.record.steps.forEach(({loss}, step) =>
        expect(loss).toBeCloseTo(apart.record.steps[step].loss, 5),
      );
      expect(together.memory).toHaveLength(count);
      // Collectives take other algorithms where memory is shared; messages are the same.
      const messages = ({traffic}: TrainResult) =>
        traffic
          .filter(({operation}) => /^(send|recv) /.test(operation))
          .map((line) => [line.rank, line.operation, line.sent, line.received]);
      expect(messages(together)).toEqual(messages(apart));
      if (apart.plan.mesh.pipeline > 1) expect(messages(apart)).not.toEqual([]);
    },
  );
});
