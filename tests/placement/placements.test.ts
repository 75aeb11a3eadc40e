/**
 * Which rank holds what: every element where it should be, the bytes that a run measures, and what
 * is refused.
 */
import {describe, expect, it} from 'vitest';
import * as tf from '@tensorflow/tfjs';
import '#lib/devices/register.js';
import {textCorpus} from '#lib/data/index.js';
import {convnet, transformer} from '#lib/models/index.js';
import {placements, type WeightPlacement} from '#lib/placement/placements.js';
import type {Strategy} from '#lib/config/options.js';
import {trainParallel} from '#lib/trainParallel.js';

const [SEQUENCE, BATCH] = [8, 8];
const model = (more: object = {}) =>
  transformer({layers: 2, hidden: 16, heads: 4, sequence: SEQUENCE, seed: 1, ...more});
const allWeights = (whole: tf.LayersModel) =>
  (whole as unknown as {weights: Array<{originalName: string; shape: number[]}>}).weights;
const sizeOf = (shape: readonly number[]) => shape.reduce((product, length) => product * length, 1);

/** How many of `held` have each element of a weight. */
function counted(shape: readonly number[], held: readonly WeightPlacement[]): number[] {
  const counts = new Array<number>(sizeOf(shape)).fill(0);
  for (const {shard} of held) {
    const inner = shard ? sizeOf(shape.slice(shard.dim + 1)) : 1;
    for (let i = 0; i < counts.length; i++) {
      const along = shard ? Math.floor(i / inner) % shape[shard.dim] : 0;
      if (!shard || (along >= shard.start && along < shard.end)) counts[i] += 1;
    }
  }
  return counts;
}

const MESHES: Array<[string, tf.LayersModel, {data?: number; tensor?: number; pipeline?: number}]> =
  [
    ['data x tensor', model(), {data: 2, tensor: 2}],
    ['tensor x pipeline', model(), {tensor: 2, pipeline: 2}],
    ['data x pipeline', model(), {data: 2, pipeline: 2}],
    ['all three', model(), {data: 2, tensor: 2, pipeline: 2}],
    ['all three, a tied head', model({tied: true}), {data: 2, tensor: 2, pipeline: 2}],
    ['uneven parts', model(), {tensor: 3}],
    ['a convnet', convnet(), {data: 2, tensor: 2}],
  ];

describe.each(MESHES)('on a mesh of %s', (_, whole, mesh) => {
  const {data = 1, tensor = 1} = mesh;
  const {ranks} = placements(whole, {mesh});

  it('each element of each weight is on every replica, on one of its parts where it is divided, and on all of them where not', () => {
    for (const {originalName, shape} of allWeights(whole)) {
      const held = ranks.flatMap(({weights}) => weights.filter(({name}) => name === originalName));
      const cut = held.some((one) => one.shard !== null);
      // A tied table is on the first stage and on the last.
      const stages = new Set(
        ranks
          .filter(({weights}) => weights.some(({name}) => name === originalName))
          .map(({at}) => at.pipeline),
      ).size;
      expect(stages).toBe(
        originalName.startsWith('embedding') && whole.outputNames[0] === 'probabilities' ? 2 : 1,
      );
      const times = stages * data * (cut ? 1 : tensor);
      expect(counted(shape, held).every((count) => count === times)).toBe(true);
    }
  });

  it('bytes are those of its pieces', () => {
    for (const {weights, parameters, gradients} of ranks) {
      const elements = weights.reduce(
        (all, {shape, shard}) =>
          all +
          (sizeOf(shape) / (shard ? shape[shard.dim] : 1)) * (shard ? shard.end - shard.start : 1),
        0,
      );
      expect(parameters).toBe(4 * elements);
      // Of the convnet, batch norm's moving means and variances are not trained.
      const still = weights
        .filter(({name}) => /moving/.test(name))
        .reduce((all, {shape}) => all + sizeOf(shape), 0);
      expect(gradients).toBe(parameters - 4 * still);
    }
  });
});

describe('zero', () => {
  it.each([
    [1, [4, 4, 4]],
    [2, [4, 2, 4]],
    [3, [2, 2, 4]],
  ] as Array<[1 | 2 | 3, number[]]>)(
    'stage %i divides by the data axis; all shares together are the whole',
    (zero, per) => {
      const whole = placements(model(), {mesh: {data: 2, tensor: 2}});
      const divided = placements(model(), {mesh: {data: 2, tensor: 2}, zero});
      for (const tensor of [0, 1]) {
        const [own, replicas] = [
          whole.ranks[tensor],
          divided.ranks.filter(({at}) => at.tensor === tensor),
        ];
        (['parameters', 'gradients', 'optimizer'] as const).forEach((kind, i) => {
          const share = per[i] * (own.parameters / 4);
          for (const one of replicas) expect(Math.abs(one[kind] - share)).toBeLessThan(200);
          if (zero >= 3 - i)
            expect(replicas.reduce((sum, one) => sum + one[kind], 0)).toBe(own[kind]);
        });
      }
    },
  );
});

describe('a real run', () => {
  it.each([
    ['data x tensor', {mesh: {data: 2, tensor: 2}}],
    ['tensor x pipeline', {mesh: {tensor: 2, pipeline: 2}, microBatches: 2}],
    ['data x tensor, zero 3', {mesh: {data: 2, tensor: 2}, zero: 3}],
    ['data x pipeline, zero 1', {mesh: {data: 2, pipeline: 2}, zero: 1, microBatches: 2}],
    ['all three, zero 1', {mesh: {data: 2, tensor: 2, pipeline: 2}, zero: 1, microBatches: 2}],
  ] as Array<[string, Strategy]>)(
    'has these bytes of state on each rank: %s',
    async (_, strategy) => {
      const {memory, plan} = await trainParallel(
        model(),
        textCorpus({sequence: SEQUENCE, samples: 2 * BATCH, seed: 1}),
        {
          batchSize: BATCH,
          devices: Array.from(
            {length: sizeOf(Object.values((strategy as {mesh: Record<string, number>}).mesh))},
            () => 'cpu',
          ),
          seed: 1,
          verbose: 0,
          strategy,
        },
      );
      const foretold = placements(model(), strategy, {batchSize: BATCH});
      expect(memory.map(({stateBytes}) => stateBytes)).toEqual(
        foretold.ranks.map(
          ({parameters, gradients, optimizer}) => parameters + gradients + optimizer,
        ),
      );
      expect(placements(model(), plan)).toEqual(foretold);
    },
  );
});

describe('what is refused', () => {
  it('a model that is not compiled, a mesh of other devices, a layout that does not fit', () => {
    const bare = tf.sequential({layers: [tf.layers.dense({units: 2, inputShape: [2]})]});
    expect(() => placements(bare, 'dataParallel')).toThrow(/placements: the model is not compiled/);
    expect(() => placements(model(), {mesh: {data: 2}}, {devices: 3})).toThrow(
      /is not the number of devices, 3/,
    );
    expect(() => placements(model(), {mesh: {data: 2}}, {devices: 0})).toThrow(
      /devices must be a whole number from 1; it is 0/,
    );
    expect(() =>
      placements(model(), {mesh: {tensor: 2}, layout: {'block_*/up': 'column'}}),
    ).toThrow(/give 'block_0\/down' the rule 'row'/);
  });
});
