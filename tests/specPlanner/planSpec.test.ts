import {describe, expect, it} from 'vitest';
import {Random} from '#lib/base/random.js';
import {planSpec, planSpecCounted} from '#lib/specPlanner/planSpec.js';
import type {SpecChoice, SpecRow, TransformerSpec} from '#lib/specPlanner/spec.js';
import {tiny, tinySpec} from './specs.js';

const random = new Random(7, 'specs');
const any = <T>(...values: T[]): T => values[random.integer(values.length)];

/** A spec that has a mesh: a replica a device. */
function someSpec(): TransformerSpec {
  const devices = any(1, 2, 4, 6, 8, 12, 16);
  const {machine} = tinySpec(devices, 1);
  return {
    model: {
      layers: any(2, 4, 12),
      hidden: any(24, 48),
      heads: any(2, 6, 12),
      vocab: any(11, 500),
      sequence: any(6, 12, 48),
      ...any<object>({}, {ffn: 36}),
    },
    machine: {
      ...machine,
      devicesPerNode: any(1, 2, 4, 8),
      memoryBytes: any(1e5, 4e5, 2e6, 1e8),
      latency: any(0, 1e-3),
      networkBandwidth: any(1e3, 1e7),
    },
    batchSize: devices * any(2, 3, 8),
    precision: any('mixed', 'float32'),
    fixed: any<Partial<SpecChoice>>(
      {},
      {},
      {sequenceParallel: true},
      {schedule: 'gpipe'},
      {zero: 3},
      {recompute: 'full'},
    ),
  };
}

const choiceOf = ({
  strategy: {mesh, microBatch, zero, recompute, sequenceParallel, stagesPerRank, schedule},
}: SpecRow): SpecChoice => ({
  ...mesh,
  microBatch,
  zero,
  recompute,
  sequenceParallel,
  stagesPerRank,
  schedule,
});
const specs = Array.from({length: 40}, someSpec);
const plans = specs.map((spec) => ({spec, plan: planSpec(spec)}));

describe('forty specs by chance', () => {
  it('are of all kinds', () => {
    const rows = plans.flatMap(({plan}) => plan.rows);
    expect(rows.length).toBeGreaterThan(2000);
    expect(plans.some(({plan}) => plan.rows.every(({prediction}) => !prediction.fits))).toBe(true);
    expect(plans.some(({plan}) => plan.rows.every(({prediction}) => prediction.fits))).toBe(true);
    expect(
      rows.some(({prediction}) => prediction.fits) &&
        rows.some(({strategy: {mesh}}) => mesh.data > 1 && mesh.tensor > 1 && mesh.pipeline > 1),
    ).toBe(true);
  });

  it('have meshes that multiply to the devices, micro-batches to the batch, memory to its total, and no row twice', () => {
    for (const {spec, plan} of plans) {
      for (const {strategy, prediction} of plan.rows) {
        const {mesh, microBatch, microBatches} = strategy;
        const {memory, fits, traffic} = prediction;
        expect(mesh.data * mesh.tensor * mesh.pipeline).toBe(spec.machine.devices);
        expect(mesh.data * microBatch * microBatches).toBe(spec.batchSize);
        expect(memory.total).toBe(
          memory.parameters + memory.gradients + memory.optimizer + memory.activations!,
        );
        expect(fits).toBe(memory.total <= spec.machine.memoryBytes);
        for (const axis of ['data', 'tensor', 'pipeline'] as const)
          expect(traffic[axis] === 0).toBe(mesh[axis] === 1);
      }
      expect(new Set(plan.rows.map((row) => JSON.stringify(choiceOf(row)))).size).toBe(
        plan.rows.length,
      );
    }
  });

  it('keep tensor within a node, and utilization within the efficiency', () => {
    for (const {spec, plan} of plans) {
      const node = Math.min(spec.machine.devicesPerNode, spec.machine.devices);
      for (const {strategy, prediction} of plan.rows) {
        const {mfu, bubble, hardwareFlops} = prediction;
        expect(node % strategy.mesh.tensor).toBe(0);
        expect(mfu).toBeGreaterThan(0);
        expect(mfu).toBeLessThanOrEqual(0.5 * (1 - bubble) + 1e-12);
        expect(hardwareFlops).toBeGreaterThanOrEqual(plan.flopsPerStep!);
      }
    }
  });

  it('are in order: what fits first, the fastest first; what does not fit by memory', () => {
    for (const {
      plan: {rows},
    } of plans) {
      for (let i = 1; i < rows.length; i++) {
        const [before, after] = [rows[i - 1].prediction, rows[i].prediction];
        if (before.fits !== after.fits) expect(before.fits).toBe(true);
        else if (before.fits) expect(before.stepSeconds).toBeLessThanOrEqual(after.stepSeconds!);
        else expect(before.memory.total).toBeLessThanOrEqual(after.memory.total);
      }
    }
  });

  it('hold less state with each stage of ZeRO over several replicas, and less in all with each recompute, of which full computes most', () => {
    let seen = 0;
    for (const {
      plan: {rows},
    } of plans) {
      const all = new Map(rows.map((row) => [JSON.stringify(choiceOf(row)), row]));
      for (const row of rows) {
        const {strategy, prediction} = row;
        const other = (change: Partial<SpecChoice>) =>
          all.get(JSON.stringify({...choiceOf(row), ...change}))?.prediction;
        const more =
          strategy.zero < 3 && strategy.mesh.data > 1
            ? other({zero: (strategy.zero + 1) as SpecChoice['zero']})
            : undefined;
        if (more) {
          seen++;
          expect(more.memory.total).toBeLessThan(prediction.memory.total);
          // Of several stages another may be the fullest then.
          if (strategy.mesh.pipeline === 1)
            expect(more.memory.activations).toBe(prediction.memory.activations);
          expect(more.traffic.data).toBeGreaterThanOrEqual(prediction.traffic.data);
        }
        const [selective, full] = [other({recompute: 'selective'}), other({recompute: 'full'})];
        if (strategy.recompute === 'none' && selective && full) {
          seen++;
          expect(prediction.memory.total).toBeGreaterThan(selective.memory.total);
          expect(selective.memory.total).toBeGreaterThan(full.memory.total);
          expect(full.hardwareFlops).toBeGreaterThan(prediction.hardwareFlops!);
          expect(full.stepSeconds).toBeGreaterThan(prediction.stepSeconds!);
        }
      }
    }
    expect(seen).toBeGreaterThan(500);
  });

  it("fixing a row's choices gives that row alone", () => {
    for (const {spec, plan} of plans) {
      for (const row of plan.rows.filter((_, i) => i % 17 === 0)) {
        const again = planSpec({...spec, fixed: choiceOf(row)});
        expect(again.rows.map((one) => ({...one, reason: ''}))).toEqual([{...row, reason: ''}]);
        expect(again.flopsPerStep).toBe(plan.flopsPerStep);
      }
    }
  });

  it('have every choice as a row, or of too many the best micro-batch of each mesh, stage and recompute', () => {
    for (const {spec} of plans) {
      const {
        plan: {rows},
        evaluated,
      } = planSpecCounted(spec);
      expect(rows.length).toBe(evaluated);
    }
    const {machine} = tinySpec(64, 1);
    const many: TransformerSpec = {
      model: {...tiny, hidden: 16, heads: 16, layers: 64},
      machine: {...machine, devices: 64, devicesPerNode: 8},
      batchSize: 5040 * 64,
      precision: 'mixed',
    };
    const {
      plan: {rows},
      evaluated,
    } = planSpecCounted(many);
    expect(evaluated).toBeGreaterThan(1000);
    expect(rows.length).toBeLessThanOrEqual(1000);
    const kinds = rows.map(({strategy: {mesh, zero, recompute}}) =>
      JSON.stringify([mesh, zero, recompute]),
    );
    expect(new Set(kinds).size).toBe(rows.length);
    const {mesh, zero, recompute} = rows[0].strategy;
    const all = planSpec({...many, fixed: {...mesh, zero, recompute}}).rows;
    expect(all.length).toBeGreaterThan(10);
    expect({...all[0], reason: ''}).toEqual({...rows[0], reason: ''});
  });
});

describe('the reason', () => {
  const roomy = (spec: TransformerSpec, machine: object) => ({
    ...spec,
    machine: {
      ...spec.machine,
      memoryBytes: 1e9,
      nodeBandwidth: 1e12,
      networkBandwidth: 1e12,
      latency: 0,
      ...machine,
    },
  });
  const reasons = (spec: TransformerSpec) => planSpec(spec).rows.map(({reason}) => reason);

  it('of one device and a model that fits: do not parallelise', () => {
    expect(reasons(roomy(tinySpec(1, 8), {}))[0]).toMatch(
      /^one device, and the model fits: do not parallelise; the fastest of \d+ tried fits \(.* of 1.00 GB a device\)/,
    );
  });

  it('of devices that only wait for messages: do not parallelise', () => {
    expect(reasons(roomy(tinySpec(4, 8), {latency: 10}))[0]).toMatch(
      /^do not parallelise: one device alone takes .* a step, no longer than these 4;/,
    );
  });

  it('of a copy that fits and cheap messages: data parallelism alone, nothing divided', () => {
    const [best] = planSpec(roomy(tinySpec(4, 64), {})).rows;
    expect(best.strategy).toMatchObject({
      mesh: {data: 4, tensor: 1, pipeline: 1},
      zero: 0,
      recompute: 'none',
    });
    expect(best.reason).toMatch(/^a whole copy fits on each device, so data parallelism alone;/);
  });

  it('of a copy that does not fit: what was divided instead', () => {
    const state = 16 * 3616;
    const [best] = planSpec(roomy(tinySpec(4, 8), {memoryBytes: state})).rows;
    expect(best.prediction.fits).toBe(true);
    expect(best.reason).toMatch(/no device has room for a whole copy/);
  });

  it('of what does not fit: how much of what on which stage, and what a device has', () => {
    // Stage 0: 16 x 1872 of state, 8 (2 x 1992 + 48) of activations; stage 1: 16 x 1824, and 8 (2 x
    // 1992 + 432) with the logits.
    const [one] = planSpec({
      ...tinySpec(2, 8, {
        data: 1,
        tensor: 1,
        pipeline: 2,
        microBatch: 8,
        zero: 0,
        recompute: 'none',
      }),
    }).rows;
    const [over] = planSpec({
      ...tinySpec(2, 8, {
        data: 1,
        tensor: 1,
        pipeline: 2,
        microBatch: 8,
        zero: 0,
        recompute: 'none',
      }),
      machine: {...tinySpec(2, 8).machine, memoryBytes: 30000},
    }).rows;
    expect([one.prediction.fits, over.prediction.fits]).toEqual([true, false]);
    expect(over.reason).toBe(
      'does not fit: 35.3 kB of activations on stage 1 of 2, 64.5 kB in all, 30.0 kB a device.',
    );
  });

  it('of nothing that fits: what comes nearest', () => {
    const all = reasons({
      ...tinySpec(4, 8),
      machine: {...tinySpec(4, 8).machine, memoryBytes: 100},
    });
    expect(all[0]).toMatch(
      /^none of \d+ tried fits, and this comes nearest: it does not fit: .*, 100 B a device/,
    );
    expect(all.slice(1).every((reason) => reason.startsWith('does not fit: '))).toBe(true);
  });

  it('of a slower row: how much slower, and by what', () => {
    const {rows} = planSpec(roomy(tinySpec(4, 8), {}));
    const slow = rows.find(({strategy}) => strategy.mesh.pipeline === 4)!;
    expect(slow.reason).toMatch(
      /^fits, .*(slower than|times as long as) the best: the pipeline's bubble .* a step, there none\.$/,
    );
    expect(
      rows.every(({reason}) => reason.endsWith('.') && !/undefined|NaN|null/.test(reason)),
    ).toBe(true);
  });
});
