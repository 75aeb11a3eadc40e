import {describe, expect, it} from 'vitest';
import {planSpec} from '#lib/specPlanner/planSpec.js';
import type {SpecChoice, TransformerSpec} from '#lib/specPlanner/spec.js';
import {tiny, tinySpec} from './specs.js';

/** l = 4, h = 8, a = 2, V = 10, s = 6: what follows was worked out on paper. */
const whole = {data: 1, tensor: 1, pipeline: 1, microBatch: 1, zero: 0, recompute: 'none'} as const;

function only(spec: TransformerSpec) {
  const plan = planSpec(spec);
  expect(plan.rows.length).toBe(1);
  const [{strategy, prediction, reason}] = plan.rows;
  return {...plan, strategy, row: prediction, reason};
}
const row = (
  devices: number,
  batchSize: number,
  fixed: Partial<SpecChoice>,
  more: Partial<TransformerSpec> = {},
) => only({...tinySpec(devices, batchSize, {...whole, ...fixed}), ...more}).row;

describe('by hand', () => {
  it('parameters: 12 l h² + 13 l h + (V + s) h, and with ffn 16: 4 blocks of 4 h² + 2 h f + 9 h + f', () => {
    expect(only(tinySpec(1, 1, whole)).parameters).toBe(3072 + 416 + 128);
    expect(only({...tinySpec(1, 1, whole), model: {...tiny, ffn: 16}}).parameters).toBe(
      4 * 600 + 128,
    );
    expect(only({...tinySpec(1, 1, whole), model: {...tiny, ffn: 32}})).toEqual(
      only(tinySpec(1, 1, whole)),
    );
  });

  it('operations of two samples: 3 x 4 x 10368 of layers and 2880 of logits a sample; full recompute a forward more, selective 12 s² h a layer', () => {
    const {
      flopsPerStep,
      row: {hardwareFlops},
    } = only(tinySpec(1, 2, whole));
    expect(flopsPerStep).toBe(254592);
    expect(flopsPerStep).toBeCloseTo(72 * 2 * 6 * 4 * 64 * (1 + 6 / 48 + 10 / 384), 6);
    expect(hardwareFlops).toBe(254592);
    expect(row(1, 2, {recompute: 'full'}).hardwareFlops).toBe(254592 + 82944);
    expect(337536).toBeCloseTo(96 * 2 * 6 * 4 * 64 * (1 + 6 / 48 + 10 / 512), 6);
    expect(row(1, 2, {recompute: 'selective'}).hardwareFlops).toBe(254592 + 27648);
    expect(only({...tinySpec(1, 2, whole), model: {...tiny, ffn: 16}}).flopsPerStep).toBe(
      2 * (3 * 4 * 7296 + 2880),
    );
  });

  it("state: 2 + 2 + 12, 4 + 4 + 8, or the recipe's", () => {
    expect(row(1, 1, {}).memory).toMatchObject({
      parameters: 7232,
      gradients: 7232,
      optimizer: 43392,
    });
    expect(row(1, 1, {}, {precision: 'float32'}).memory).toMatchObject({
      parameters: 14464,
      gradients: 14464,
      optimizer: 28928,
    });
    expect(
      row(1, 1, {}, {recipe: {parameters: 1, gradients: 0.5, optimizer: 0}}).memory,
    ).toMatchObject({parameters: 3616, gradients: 1808, optimizer: 0});
  });

  it.each([
    [1, {}, 4 * 1992 + 48 + 432],
    [1, {recompute: 'selective'}, 4 * 1632 + 48 + 432],
    [1, {recompute: 'full'}, 4 * 96 + 48 + 432],
    [1, {microBatch: 2}, 2 * (4 * 1992 + 48 + 432)],
    [2, {tensor: 2}, 4 * 1236 + 48 + 192 + 120],
    [2, {tensor: 2, sequenceParallel: true}, 2 * 1992 + 24 + 96 + 120],
    [2, {tensor: 2, sequenceParallel: true, recompute: 'full'}, 4 * 48 + 24 + 96 + 120],
    [2, {pipeline: 2}, 2 * 2 * 1992 + 2 * 48],
    [2, {pipeline: 2, schedule: 'naive'}, 2 * 1992 + 48],
    [2, {pipeline: 2, stagesPerRank: 2}, 5 * 1992 + 2 * 48],
    // All four micro-batches wait for their backward: the last stage, with its logits, is fuller
    // than the first with its table.
    [2, {pipeline: 2, schedule: 'gpipe'}, 4 * 2 * 1992 + 4 * 432],
  ] as const)('activations of %d devices, 4 micro-batches, %j', (devices, fixed, bytes) => {
    expect(row(devices, 'microBatch' in fixed ? 8 : 4, fixed).memory.activations).toBe(bytes);
  });

  it('activations with ffn 16: the two tensors between the feed-forward layers take 4 f/h = 8 of s b h in the place of 16', () => {
    expect(row(1, 1, {}, {model: {...tiny, ffn: 16}}).memory.activations).toBe(
      4 * (48 * 26 + 360) + 48 + 432,
    );
  });

  it('activations in float32: s b h (66 + 9 a s/h) a layer, masks of a byte, logits of four', () => {
    expect(row(1, 1, {}, {precision: 'float32'}).memory.activations).toBe(
      4 * 3816 + 48 + 8 * 48 + 240,
    );
  });

  it('the first stage holds the table and the positions, the last its copy of the table', () => {
    expect(row(2, 4, {pipeline: 2}).memory.parameters).toBe(2 * (1744 + 128));
    expect(row(2, 4, {pipeline: 2, schedule: 'gpipe'}).memory.parameters).toBe(2 * (1744 + 80));
  });

  it('traffic of 2 x 2 x 2, 4 micro-batches', () => {
    const mesh = {data: 2, tensor: 2, pipeline: 2} as const;
    expect(row(8, 8, mesh).traffic).toEqual({tensor: 4 * 2 * 384, pipeline: 4 * 96, data: 936 * 2});
    expect(row(8, 8, {...mesh, recompute: 'full'}).traffic.tensor).toBe(4 * 2 * 576);
    expect(row(8, 8, {...mesh, sequenceParallel: true}).traffic).toMatchObject({
      tensor: 4 * 2 * 384,
      pipeline: 4 * 48,
    });
    expect(row(8, 8, {...mesh, stagesPerRank: 2}).traffic.pipeline).toBe(4 * 3 * 96);
    expect(row(8, 8, {data: 2, pipeline: 4}).traffic.pipeline).toBe(4 * 2 * 96);
    expect(row(8, 8, {...mesh, zero: 1}).traffic.data).toBe(936 * 2);
    expect(row(8, 8, {...mesh, zero: 2}).traffic.data).toBe((936 / 2) * (4 * 2 + 2));
    expect(row(8, 8, {...mesh, zero: 3}).traffic.data).toBe((936 / 2) * (4 * 2 + 2 * 4 * 2));
  });

  it('time: arithmetic alone on one device; with all-reduces, sends, the bubble and the data axis on eight', () => {
    expect(row(1, 2, {})).toMatchObject({
      stepSeconds: 254592 / 5e5,
      mfu: expect.closeTo(0.5, 12) as number,
      bubble: 0,
    });
    const {stepSeconds, mfu, bubble} = row(8, 8, {data: 2, tensor: 2, pipeline: 2});
    const busy = 32544 / 5e5 + (768 / 1e5 + 16e-3) + (96 / 1e4 + 1e-3);
    expect(bubble).toBeCloseTo(1 / 5, 12);
    expect(stepSeconds).toBeCloseTo((4 * busy * 5) / 4 + (1872 / 1e5 + 2e-3), 12);
    expect(mfu).toBeCloseTo((8 * 127296) / (stepSeconds! * 8e6), 12);
  });

  it('bubbles, as a share of the total time', () => {
    const of = (fixed: Partial<SpecChoice>) => row(4, 8, {pipeline: 4, ...fixed}).bubble;
    expect(of({})).toBeCloseTo(3 / 11, 12);
    expect(of({schedule: 'gpipe'})).toBeCloseTo(3 / 11, 12);
    expect(of({schedule: 'naive'})).toBeCloseTo(3 / 4, 12);
    expect(of({schedule: 'zero-bubble'})).toBeCloseTo(3 / 27, 12);
    expect(row(2, 8, {pipeline: 2, stagesPerRank: 2}).bubble).toBeCloseTo(1 / 17, 12);
  });

  it("tensor over nodes has the network's bandwidth, and says so", () => {
    const wide = {...tinySpec(4, 4, {...whole, tensor: 2, data: 2}), model: {...tiny, heads: 4}};
    const {row: within, reason: withinReason} = only(wide);
    const {row: across, reason} = only({
      ...wide,
      machine: {...wide.machine, devicesPerNode: 1},
    });
    expect(across.stepSeconds! - within.stepSeconds!).toBeCloseTo(
      (within.traffic.tensor! + within.traffic.data) * (1 / 1e4 - 1 / 1e5),
      12,
    );
    expect(reason).toMatch(/tensor does not stay within a node and has the network's bandwidth/);
    expect(withinReason).not.toMatch(/network/);
  });

  it('parameters alone: state and bubble, and null for what needs the sizes', () => {
    const {
      parameters,
      flopsPerStep,
      strategy,
      row: one,
      reason,
    } = only({
      ...tinySpec(4, 8, {data: 2, tensor: 1, pipeline: 2, zero: 1}),
      model: {parameters: 1000},
    });
    expect({parameters, flopsPerStep}).toEqual({parameters: 1000, flopsPerStep: null});
    expect(one).toMatchObject({
      memory: {parameters: 1000, gradients: 1000, optimizer: 3000, activations: null, total: 5000},
      bubble: 1 / 5,
      stepSeconds: null,
      hardwareFlops: null,
      mfu: null,
      traffic: {tensor: 0, pipeline: null, data: 1000},
    });
    expect(strategy.microBatches).toBe(4);
    expect(reason).toMatch(
      /judged by its state alone, since activations and times need layers, hidden, heads, vocab and sequence/,
    );
  });
});
