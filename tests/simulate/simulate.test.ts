/**
 * Simulated steps: closed forms, seconds by hand, the rows of a plan, and the trace of a real run.
 */
import {describe, expect, it} from 'vitest';
import * as tf from '@tensorflow/tfjs';
import '#lib/devices/register.js';
import {Random} from '#lib/base/random.js';
import {timelineFigure} from '#lib/notebook/figures/timeline.js';
import {schedule} from '#lib/pipelineParallel/schedule.js';
import {
  bubbleFormula,
  promisedLive,
  SCHEDULE_NAMES,
  type ScheduleName,
} from '#lib/pipelineParallel/namedSchedules.js';
import {planSpec} from '#lib/specPlanner/planSpec.js';
import type {SimulationOptions} from '#lib/simulate/readSimulation.js';
import {simulate, type Simulation} from '#lib/simulate/simulate.js';
import type {SimulationCosts} from '#lib/simulate/costs.js';
import {simulateRow} from '#lib/simulate/simulateRow.js';
import type {SpecChoice} from '#lib/specPlanner/spec.js';
import type {TrainParallelOptions} from '#lib/config/options.js';
import type {Span} from '#lib/trace/spans.js';
import {trainParallel} from '#lib/trainParallel.js';
import {selene, tinySpec} from '../specPlanner/specs';

const EVEN: SimulationCosts = {forward: 1, backward: 2, backwardInput: 1, backwardWeights: 1};
const ofRank = ({spans}: {spans: readonly Span[]}, rank: number) =>
  spans.filter((span) => span.rank === rank);
const words = (spans: readonly Span[]) => spans.map(({kind, name}) => `${kind} ${name}`);

/**
 * Spans of one rank's own thread in order, none before the one before it is over; a bucket lies in
 * the wait for it.
 */
function expectInTurn({spans, seconds}: Simulation): void {
  for (const rank of new Set(spans.map((span) => span.rank))) {
    const [own, lane] = [false, true].map((bucket) =>
      ofRank({spans}, rank).filter(({name}) => name.startsWith('bucket') === bucket),
    );
    let at = 0;
    for (const {start, wallSeconds} of own) {
      expect(start).toBeGreaterThanOrEqual(at - 1e-9);
      expect(wallSeconds).toBeGreaterThanOrEqual(-1e-9);
      at = start + wallSeconds;
    }
    expect(at).toBeLessThanOrEqual(seconds + 1e-9);
    const wait = own.find(({name}) => name === 'gradients');
    for (const {start, wallSeconds} of lane)
      expect([start, wallSeconds]).toEqual([wait!.start, wait!.wallSeconds]);
  }
}

describe('the bubble of stages that are alike', () => {
  it.each(SCHEDULE_NAMES)('of %s is its formula, and so are seconds and what is alive', (name) => {
    for (const [ranks, microBatches] of [
      [1, 3],
      [2, 4],
      [4, 8],
      [5, 20],
    ]) {
      if (name === 'interleaved-1f1b' && ranks === 1) continue;
      const sizes = {ranks, microBatches};
      const {
        bubble,
        seconds,
        ranks: found,
      } = simulate({mesh: {pipeline: ranks, data: 3}, schedule: name, microBatches, costs: EVEN});
      expect(bubble).toBeCloseTo(bubbleFormula(name, sizes), 12);
      const stagesPerRank = name === 'interleaved-1f1b' ? 2 : 1;
      expect(seconds * (1 - bubble)).toBeCloseTo(microBatches * stagesPerRank * 3, 9);
      found.forEach(({live}, rank) =>
        expect(live).toBeLessThanOrEqual(promisedLive(name, sizes)[rank]),
      );
    }
  });
});

describe('a step by hand', () => {
  // Rank 0: F1 [0,1] send [1,1.5] F2 [1.5,2.5] send [2.5,3]; rank 1: F1 [1.5,2.5] B1 [2.5,4.5] send
  // [4.5,5], F2 [5,6] B2 [6,8] send [8,8.5]; rank 0: B1 [5,7] B2 [8.5,10.5].
  const found = simulate({
    mesh: {data: 2, tensor: 2, pipeline: 2},
    microBatches: 2,
    costs: {
      ...EVEN,
      tensor: {forward: 0.2, backward: 0.4},
      send: 0.5,
      data: 3,
      update: (place) => 0.25 * (1 + place),
    },
  });

  it('takes as long', () => {
    expect(found.seconds).toBe(10.5 + 3 + 0.5);
    // 12 of work in 2 x 10.5, of which sending is 2.
    expect(found.bubble).toBeCloseTo(1 - 12 / (21 - 2), 12);
    expect(found.ranks).toEqual(
      [
        {
          rank: 0,
          compute: 4.8,
          tensor: 1.2000000000000002,
          send: 1,
          data: 3,
          update: 0.25,
          wait: 3.75,
          live: 2,
        },
        {
          rank: 4,
          compute: 4.8,
          tensor: 1.2000000000000002,
          send: 1,
          data: 3,
          update: 0.5,
          wait: 3.5,
          live: 1,
        },
      ].map((one) => ({
        ...one,
        compute: expect.closeTo(one.compute, 9) as number,
        tensor: expect.closeTo(one.tensor, 9) as number,
        wait: expect.closeTo(one.wait, 9) as number,
      })),
    );
  });

  it('has these spans on rank 4, in turn', () => {
    expect(
      ofRank(found, 4).map(
        ({kind, name, start, wallSeconds}) =>
          `${kind} ${name} ${Number(start.toFixed(6))}+${Number(wallSeconds.toFixed(6))}`,
      ),
    ).toEqual([
      "wait micro-batch 1's activations 0+1.5",
      'forward micro-batch 1 1.5+0.4',
      'communication all-reduce stage 1 1.9+0.2',
      'forward micro-batch 1 2.1+0.4',
      'backward micro-batch 1 2.5+0.8',
      'communication all-reduce stage 1, gradient 3.3+0.4',
      'backward micro-batch 1 3.7+0.8',
      "communication send micro-batch 1's gradients 4.5+0.5",
      "wait micro-batch 2's activations 5+0",
      'forward micro-batch 2 5+0.4',
      'communication all-reduce stage 1 5.4+0.2',
      'forward micro-batch 2 5.6+0.4',
      'backward micro-batch 2 6+0.8',
      'communication all-reduce stage 1, gradient 6.8+0.4',
      'backward micro-batch 2 7.2+0.8',
      "communication send micro-batch 2's gradients 8+0.5",
      'wait gradients 8.5+3',
      'communication bucket 0 8.5+3',
      'wait metrics 11.5+2',
      'update update 13.5+0.5',
    ]);
    expectInTurn(found);
  });

  it('is drawn as a real run is, a row a rank, however far apart their numbers', () => {
    expect(
      timelineFigure(simulate({mesh: {data: 100, pipeline: 2}, microBatches: 2, costs: EVEN}))
        .plotly.layout,
    ).toMatchObject({yaxis: {tickvals: [0, 1], ticktext: ['rank 0  ', 'rank 100  ']}});
  });
});

describe('any schedule on any mesh', () => {
  it('has no two spans of a rank at once, and takes as long as its parts say', () => {
    const random = new Random(3, 'simulated');
    for (let i = 0; i < 30; i++) {
      const name: ScheduleName = SCHEDULE_NAMES[random.integer(SCHEDULE_NAMES.length)];
      const pipeline = 2 + random.integer(4);
      const cost = () => random.uniform(0.1, 3);
      const kinds = {
        forward: cost(),
        backward: cost(),
        backwardInput: cost(),
        backwardWeights: cost(),
      };
      const uneven = Object.fromEntries(
        Object.entries(kinds).map(([kind, seconds]) => [
          kind,
          (stage: number) => seconds * (1 + (stage % 3)),
        ]),
      ) as unknown as SimulationCosts;
      const found = simulate({
        mesh: {data: 2, tensor: 2, pipeline},
        schedule: name,
        microBatches: pipeline * (1 + random.integer(3)),
        costs: {
          ...uneven,
          tensor: {forward: 0.05},
          send: random.uniform(0, 0.2),
          data: cost(),
          update: cost(),
        },
      });
      expectInTurn(found);
      for (const {compute, tensor, send, data, update, wait} of found.ranks)
        expect(compute + tensor + send + data + update + wait).toBeCloseTo(found.seconds, 9);
    }
  });

  it('shows the same on ranks that differ in replica or tensor part', () => {
    const mesh = {data: 3, tensor: 2, pipeline: 2};
    const found = simulate({
      mesh,
      microBatches: 4,
      costs: {...EVEN, tensor: {forward: 0.5}, send: 0.1, data: 1},
      ranks: Array.from({length: 12}, (_, rank) => rank),
    });
    for (let rank = 0; rank < 12; rank++)
      expect(ofRank(found, rank).map((span) => ({...span, rank: 0}))).toEqual(
        ofRank(found, rank < 6 ? 0 : 6).map((span) => ({...span, rank: 0})),
      );
  });

  it('plays 10,000 devices, and makes spans of a few', () => {
    const [mesh, m] = [{pipeline: 50, data: 25, tensor: 8}, 200];
    const found = simulate({
      mesh,
      microBatches: m,
      costs: {...EVEN, tensor: {forward: 0.1, backward: 0.2}, send: 0.01, data: 5, update: 1},
    });
    expect(found.mesh.size).toBe(10_000);
    expect([...new Set(found.spans.map(({rank}) => rank))]).toEqual(
      [0, 1, 2, 3, 46, 47, 48, 49].map((stage) => stage * 200),
    );
    // A micro-batch has at most three spans a pass and four messages; the step's end four more.
    expect(found.spans.length).toBeLessThanOrEqual(8 * (10 * m + 4));
    expect(found.ranks).toHaveLength(50);
    expect(found.bubble).toBeCloseTo(49 / 249, 1);
    expectInTurn(found);
  });

  it('takes a schedule of your own', () => {
    const mine = schedule('mine', ['F1 F2 B1 B2', 'F1 B1 F2 B2']);
    const found = simulate({mesh: {pipeline: 2, data: 2}, schedule: mine, costs: EVEN, ranks: [3]});
    expect(found.seconds).toBe(9);
    expect(found.spans.every(({rank}) => rank === 3)).toBe(true);
  });
});

describe('a row of a plan', () => {
  const large = (fixed: Partial<SpecChoice>) => ({
    model: {layers: 96, hidden: 12288, heads: 96, vocab: 51200, sequence: 2048},
    machine: selene(1024),
    batchSize: 1536,
    precision: 'mixed' as const,
    fixed: {zero: 1 as const, recompute: 'full' as const, ...fixed},
  });

  it.each([
    [{tensor: 8, pipeline: 8}],
    [{tensor: 8, pipeline: 8, schedule: 'zero-bubble'}],
    [{tensor: 8, pipeline: 8, schedule: 'gpipe'}],
    [{tensor: 8, pipeline: 8, stagesPerRank: 3}],
    [{tensor: 8, pipeline: 2}],
    [{tensor: 8, pipeline: 8, schedule: 'naive'}],
    [{tensor: 4, pipeline: 16, recompute: 'selective', sequenceParallel: true}],
  ] as Array<[Partial<SpecChoice>]>)('takes as long as the row says, within 3 %%: %j', (fixed) => {
    const spec = large(fixed);
    const [row] = planSpec(spec).rows;
    const {seconds, mesh} = simulateRow(spec, row);
    expect({...mesh}).toEqual(row.strategy.mesh);
    expect(seconds / row.prediction.stepSeconds!).toBeGreaterThan(0.97);
    expect(seconds / row.prediction.stepSeconds!).toBeLessThan(1.03);
  });

  it('to the digit on one stage, where nothing is uneven and nothing is handed over', () => {
    const spec = tinySpec(4, 16, {tensor: 2, pipeline: 1, microBatch: 2});
    for (const row of planSpec(spec).rows)
      expect(simulateRow(spec, row).seconds).toBeCloseTo(row.prediction.stepSeconds!, 9);
  });

  it('of two stages by hand: the last has the logits, rank 0 sends activations', () => {
    const spec = {
      ...tinySpec(2, 2, {pipeline: 2, microBatch: 1, recompute: 'none'}),
      machine: {...tinySpec(2, 2).machine, devices: 2, devicesPerNode: 2},
    };
    const [row] = planSpec(spec).rows;
    const {ranks, seconds} = simulateRow(spec, row);
    // 2 layers of 24 s h² + 4 s² h forward, three times that with the backward; 6 s h V of logits;
    // half of 1e6 a second, two micro-batches.
    const layers = 3 * 2 * (24 * 6 * 64 + 4 * 36 * 8);
    expect(ranks[0].compute).toBeCloseTo((2 * layers) / 5e5, 12);
    expect(ranks[1].compute).toBeCloseTo((2 * (layers + 6 * 6 * 8 * 10)) / 5e5, 12);
    const send = (6 * 8 * 2) / 1e5 + 1e-3;
    expect(ranks.map((one) => one.send)).toEqual([
      expect.closeTo(2 * send, 12),
      expect.closeTo(2 * send, 12),
    ]);
    expect(seconds).toBeLessThan(row.prediction.stepSeconds!);
  });

  it('is refused without sizes, or with another spec', () => {
    const spec = tinySpec(4, 16);
    const [row] = planSpec(spec).rows;
    expect(() => simulateRow(tinySpec(8, 16), row)).toThrow(
      /the row has 4 devices and 16 samples, and the spec 8 and 16/,
    );
    expect(() => simulateRow({...spec, model: {parameters: 1e9}}, row)).toThrow(
      /parameters alone, from which no time follows/,
    );
  });
});

describe('what is refused', () => {
  const base: SimulationOptions = {mesh: {pipeline: 2}, microBatches: 2, costs: EVEN};
  it.each([
    [
      {costs: {forward: -1, backward: 1}},
      /costs\.forward must be a number of seconds from 0, or a function of the stage that gives one; it is -1/,
    ],
    [
      {costs: {forward: (stage: number) => 1 - stage * 2, backward: 1}},
      /costs\.forward of stage 1 must be a number of seconds from 0; it is -1/,
    ],
    [{costs: {forward: 1}}, /costs\.backward is missing/],
    [
      {schedule: 'zero-bubble', costs: {forward: 1, backward: 2}},
      /costs\.backwardInput is missing.*half of a whole backward/,
    ],
    [
      {costs: {...EVEN, tensor: {forward: 2}}, mesh: {pipeline: 2, tensor: 2}},
      /costs\.tensor\.forward is 2 on stage 0, more than all of costs\.forward, 1/,
    ],
    [{costs: {...EVEN, tensor: {forward: 0.5}}}, /the mesh has no tensor axis/],
    [{costs: {...EVEN, data: 1}}, /the mesh has no data axis/],
    [{costs: {...EVEN, sent: 1}}, /no cost 'costs.sent'.* Did you mean 'costs.send'\?/],
    [
      {
        mesh: {pipeline: 3},
        schedule: schedule('mine', ['F1 B1', 'F1 B1']),
        microBatches: undefined,
      },
      /the schedule 'mine' is for 2 ranks, and mesh\.pipeline is 3/,
    ],
    [
      {schedule: schedule('mine', ['F1 B1', 'F1 B1'])},
      /microBatches is 2, and the schedule 'mine' has 1/,
    ],
    [{ranks: [0, 2]}, /ranks names 2 .*the ranks 0 to 1/],
    [{microBatches: 0}, /microBatches must be a whole number from 1/],
    [
      {mesh: {pipeline: 1000}, microBatches: 1000},
      /1000 ranks with 1000 micro-batches are 2000000 forwards and backwards/,
    ],
    [{mesh: {stages: 2}}, /no axis 'mesh.stages'\. It knows: data, tensor, pipeline/],
    [{pace: 1}, /simulate has no option 'pace'/],
  ] as Array<[Partial<SimulationOptions>, RegExp]>)('%j', (options, sentence) => {
    const call = () => simulate({...base, ...options});
    expect(call).toThrow(sentence);
    expect(call).toThrow(expect.objectContaining({code: 'BAD_OPTION'}) as Error);
  });

  it('a schedule that cannot run', () =>
    expect(() =>
      simulate({
        ...base,
        microBatches: undefined,
        schedule: schedule('mine', ['F1 B1 F2 B2', 'F2 B2 F1 B1']),
      }),
    ).toThrow(expect.objectContaining({code: 'BAD_SCHEDULE'}) as Error));
});

describe('a real run', () => {
  const floats = {
    values: Float32Array.from({length: 16 * 8}, (_, i) => Math.sin(i)),
    shape: [16, 8],
  };
  const model = () => {
    const made = tf.sequential();
    for (let i = 0; i < 4; i++)
      made.add(
        tf.layers.dense({
          name: `dense_${i}`,
          units: 8,
          kernelInitializer: tf.initializers.glorotUniform({seed: i}),
          ...(i === 0 ? {inputShape: [8]} : {}),
        }),
      );
    made.compile({optimizer: 'sgd', loss: 'meanSquaredError'});
    return made;
  };

  it.each([
    ['1f1b', {pipeline: 2}],
    ['interleaved-1f1b', {pipeline: 2}],
    ['zero-bubble', {pipeline: 2, data: 2}],
  ] as Array<[ScheduleName, {pipeline: number; data?: number}]>)(
    'has the same spans by kind and name: %s on %j',
    async (name, mesh) => {
      const {data = 1, pipeline} = mesh;
      const options: TrainParallelOptions = {
        devices: Array.from({length: data * pipeline}, () => 'cpu'),
        batchSize: 16,
        seed: 1,
        verbose: 0,
        strategy: {mesh: {data, pipeline}, schedule: name, microBatches: 4},
      };
      const {
        trace: {spans},
      } = await trainParallel(model(), {xs: floats, ys: floats}, options);
      const simulated = simulate({
        mesh,
        schedule: name,
        microBatches: 4,
        costs: {...EVEN, send: 0.1},
        ranks: Array.from({length: data * pipeline}, (_, rank) => rank),
      });
      for (let rank = 0; rank < data * pipeline; rank++) {
        // A batch's arrays are made beside the schedule; when a helper's bucket starts is its own
        // affair.
        const real = ofRank({spans}, rank)
          .filter(({kind}) => kind !== 'input')
          .sort((a, b) => a.start - b.start);
        const own = (all: readonly Span[]) =>
          words(all.filter((span) => !span.name.startsWith('bucket')));
        const lane = (all: readonly Span[]) =>
          words(all.filter((span) => span.name.startsWith('bucket')));
        expect(own(ofRank(simulated, rank))).toEqual(own(real));
        expect(lane(ofRank(simulated, rank))).toEqual(lane(real));
      }
    },
  );
});
