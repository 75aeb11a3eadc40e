import {describe, expect, it} from 'vitest';
import {ManyHandsError} from '#lib/base/errors.js';
import {planSpec} from '#lib/specPlanner/planSpec.js';
import type {TransformerSpec} from '#lib/specPlanner/spec.js';
import {tiny, tinySpec} from './specs.js';

const {machine} = tinySpec(8, 16);
const good = tinySpec(8, 16);

/** A spec with one thing wrong, and what its refusal says. */
const wrong: Array<[Record<string, unknown> | unknown[] | null, RegExp]> = [
  [null, /it must be an object, .*; it is null/],
  [[], /it must be an object, .*; it is \[\] \(array\)/],
  [
    {...good, batchsize: 3},
    /no key 'batchsize'\. It knows: model, machine, batchSize, precision, recipe, fixed\. Did you mean 'batchSize'\?/,
  ],
  [
    {...good, machine: {...machine, devcies: 3}},
    /no key 'machine.devcies'\. .* Did you mean 'machine.devices'\?/,
  ],
  [
    {...good, model: {...tiny, hiden: 3}},
    /no key 'model.hiden'\. .* Did you mean 'model.hidden'\?/,
  ],
  [
    {...good, fixed: {microBatches: 3}},
    /no key 'fixed.microBatches'\. It knows: data, tensor, pipeline,.* Did you mean 'fixed.microBatch'\?/,
  ],
  [{...good, fixed: {mesh: {data: 8}}}, /no key 'fixed.mesh'; write its axes themselves/],
  [{...good, batchSize: undefined}, /batchSize is missing; it must be a whole number from 1/],
  [{...good, model: {...tiny, heads: undefined}}, /model.heads is missing/],
  [
    {...good, machine: {...machine, networkBandwidth: undefined}},
    /machine.networkBandwidth is missing; it must be a number of bytes a second above 0/,
  ],
  [{...good, model: {}}, /model.layers is missing/],
  [
    {...good, model: {...tiny, parameters: 5}},
    /model has 'parameters' and 'layers', .* it must be \{parameters\} alone, or the sizes layers, hidden, heads, vocab, sequence/,
  ],
  [
    {...good, machine: {...machine, devices: 0}},
    /machine.devices must be a whole number from 1 to 1000000; it is 0/,
  ],
  [
    {...good, machine: {...machine, devices: 2.5}},
    /machine.devices must be a whole number from 1 to 1000000; it is 2\.5/,
  ],
  [
    {...good, machine: {...machine, memoryBytes: '80GB'}},
    /machine.memoryBytes must be a number of bytes above 0, such as 80e9; it is "80GB" \(string\)/,
  ],
  [
    {...good, machine: {...machine, flopsPerSecond: -1}},
    /machine.flopsPerSecond must be a number of operations a second above 0, such as 80e9; it is -1/,
  ],
  [
    {...good, machine: {...machine, nodeBandwidth: Infinity}},
    /machine.nodeBandwidth must be a number of bytes a second above 0, such as 80e9; it is Infinity/,
  ],
  [
    {...good, machine: {...machine, efficiency: 1.2}},
    /machine.efficiency must be a number above 0, up to 1; it is 1.2/,
  ],
  [
    {...good, machine: {...machine, latency: -1e-6}},
    /machine.latency must be a number of seconds from 0; it is -0.000001/,
  ],
  [
    {...good, model: {...tiny, layers: -4}},
    /model.layers must be a whole number from 1 to 1000000000; it is -4/,
  ],
  [
    {...good, model: {parameters: 0}},
    /model.parameters must be a whole number from 1 to 1000000000000000; it is 0/,
  ],
  [
    {...good, model: {...tiny, heads: 3}},
    /model.heads is 3, which does not divide model.hidden 8.*Allowed: 1, 2, 4, 8\./,
  ],
  [{...good, precision: 'fp8'}, /precision must be 'mixed' or 'float32'; it is "fp8" \(string\)/],
  [{...good, recipe: {parameters: 2, gradients: 2}}, /recipe.optimizer is missing/],
  [{...good, fixed: {zero: 4}}, /fixed.zero must be a whole number from 0 to 3; it is 4/],
  [
    {...good, fixed: {recompute: 'some'}},
    /fixed.recompute must be 'none', 'selective' or 'full'; it is "some" \(string\)/,
  ],
  [
    {...good, fixed: {sequenceParallel: 1}},
    /fixed.sequenceParallel must be true or false; it is 1/,
  ],
  [
    {...good, fixed: {schedule: 'pipedream'}},
    /fixed.schedule must be 'naive', 'gpipe', '1f1b', 'interleaved-1f1b' or 'zero-bubble'; it is "pipedream" \(string\)/,
  ],
  [
    {...good, fixed: {data: 2, tensor: 2, pipeline: 1}},
    /fixed data 2 x tensor 2 x pipeline 1 is 4, and machine.devices is 8; a plan uses all devices\. Allowed: a product of 8\./,
  ],
  [
    {...good, fixed: {data: 4, pipeline: 4}},
    /fixed data 4 x pipeline 4 is 16, and machine.devices is 8.*Allowed: a product of 1, 2, 4, 8\./,
  ],
  [
    {...good, fixed: {tensor: 3}},
    /fixed.tensor is 3, which does not divide machine.devices 8. Allowed: 1, 2\./,
  ],
  [
    {...good, fixed: {tensor: 4}},
    /fixed.tensor is 4, which does not divide model.heads 2, .* Allowed: 1, 2\./,
  ],
  [
    {...good, model: {...tiny, ffn: 9}, fixed: {tensor: 2}},
    /fixed.tensor is 2, which does not divide model.ffn 9. Allowed: 1\./,
  ],
  [
    {...good, model: {...tiny, sequence: 7}, fixed: {tensor: 2, sequenceParallel: true}},
    /fixed.tensor is 2, which does not divide model.sequence 7, which sequenceParallel divides/,
  ],
  [
    {...good, fixed: {pipeline: 8}},
    /fixed.pipeline is 8, which does not divide model.layers 4 into equal stages. Allowed: 1, 2, 4\./,
  ],
  [
    {...good, fixed: {pipeline: 4, stagesPerRank: 2}},
    /fixed.pipeline is 4, which times stagesPerRank 2 does not divide model.layers 4 into equal stages. Allowed: 2\./,
  ],
  [
    {...good, fixed: {pipeline: 1, stagesPerRank: 2}},
    /fixed.pipeline is 1, which leaves one stage, which fixed.stagesPerRank 2 cannot interleave/,
  ],
  [
    {...good, batchSize: 12, fixed: {data: 8}},
    /fixed.data is 8, which does not divide batchSize 12. Allowed: 1, 2, 4\./,
  ],
  [
    {...good, fixed: {data: 8, microBatch: 4}},
    /fixed.data is 8, which does not divide batchSize 16 into whole micro-batches of fixed.microBatch 4. Allowed: 1, 2, 4\./,
  ],
  [
    {...good, fixed: {microBatch: 3}},
    /fixed.microBatch is 3, which does not divide batchSize 16. Allowed: 1, 2, 4, 8, 16\./,
  ],
  [
    {...good, fixed: {stagesPerRank: 2, schedule: '1f1b'}},
    /fixed.stagesPerRank is 2, which the schedule '1f1b' does not interleave; allowed: 1, or/,
  ],
  [
    {...good, fixed: {stagesPerRank: 1, schedule: 'interleaved-1f1b'}},
    /fixed.stagesPerRank is 1, and the schedule 'interleaved-1f1b' needs 2 or more stages a device/,
  ],
  [
    {...good, fixed: {data: 4, pipeline: 2, tensor: 1, microBatch: 4, stagesPerRank: 2}},
    /fixed.microBatch 4 of batchSize 16 gives no multiple of that. Allowed: with data 4 and pipeline 2, microBatch 1, 2\./,
  ],
  [
    {...good, batchSize: 3, machine: {...machine, devices: 7}},
    /no mesh of 7 devices divides all evenly: data may be 1; tensor 1; pipeline 1;/,
  ],
];

describe('a spec that cannot be is refused by name', () => {
  it.each(wrong)('%j', (spec, message) => {
    const plain = JSON.parse(
      JSON.stringify(spec, (_, value) => (value === Infinity ? 'Infinity' : value)),
      (_, value) => (value === 'Infinity' ? Infinity : value),
    ) as TransformerSpec;
    let thrown: unknown;
    try {
      planSpec(plain);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(ManyHandsError);
    expect(thrown).toMatchObject({code: 'BAD_OPTION', message: expect.stringMatching(message)});
    expect((thrown as Error).message).toMatch(/^spec[: ]/);
  });

  it('but for these wrongs the spec is good', () => {
    expect(planSpec(good).rows.length).toBeGreaterThan(10);
  });
});

describe('what is merely pointless is planned where it is fixed', () => {
  it('ZeRO over one replica divides nothing, and the row says so', () => {
    const one = (zero: 0 | 3) =>
      planSpec(
        tinySpec(2, 2, {data: 1, tensor: 2, pipeline: 1, zero, microBatch: 1, recompute: 'none'}),
      ).rows[0];
    expect({...one(3).strategy, zero: 0}).toEqual(one(0).strategy);
    expect(one(3).prediction).toEqual(one(0).prediction);
    expect(one(3).reason).toMatch(/zero 3 has one replica and nothing to divide/);
  });

  it('sequence parallelism on one device is none', () => {
    const one = (sequenceParallel: boolean) =>
      planSpec(tinySpec(1, 1, {sequenceParallel, recompute: 'none'})).rows[0];
    expect({...one(true).strategy, sequenceParallel: false}).toEqual(one(false).strategy);
    expect(one(true)).toEqual({...one(false), strategy: one(true).strategy});
  });

  it('devicesPerNode above devices is one node', () => {
    const {machine: own, ...rest} = tinySpec(2, 4);
    expect(planSpec({...rest, machine: {...own, devicesPerNode: 1e6}})).toEqual(
      planSpec({...rest, machine: {...own, devicesPerNode: 2}}),
    );
  });

  it('interleaving without stagesPerRank takes two, and stagesPerRank without a schedule interleave', () => {
    const of = (fixed: object) =>
      planSpec(tinySpec(2, 4, {data: 1, tensor: 1, pipeline: 2, ...fixed}));
    expect(of({schedule: 'interleaved-1f1b'})).toEqual(of({stagesPerRank: 2}));
    expect(of({stagesPerRank: 2}).rows[0].strategy).toMatchObject({
      stagesPerRank: 2,
      schedule: 'interleaved-1f1b',
    });
    expect(of({}).rows[0].strategy).toMatchObject({
      stagesPerRank: 1,
      schedule: '1f1b',
      sequenceParallel: false,
    });
  });
});
