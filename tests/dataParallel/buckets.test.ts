import {describe, expect, it} from 'vitest';
import '#lib/devices/register.js';
import {CACHE_LINE_FLOATS} from '#lib/base/cacheLine.js';
import {planBuckets} from '#lib/dataParallel/buckets.js';
import {mlp} from '#lib/models/index.js';
import {readGraph} from '#lib/model/graph.js';
import {GradientSum} from '#lib/step/gradientSum.js';

describe('planBuckets', () => {
  const model = mlp({units: [32, 32], inputShape: [16], classes: 4, seed: 1});
  const plan = (bucketBytes: number) =>
    planBuckets(readGraph(model), GradientSum.of(model), bucketBytes);
  const bytesOf = ({slices}: {slices: {length: number}[]}) =>
    4 * slices.reduce((sum, {length}) => sum + length, 0);

  it('closes a bucket as soon as it has its bytes, and divides no weight', () => {
    const {buckets} = plan(1000);
    expect(buckets.length).toBeGreaterThan(1);
    for (const bucket of buckets.slice(0, -1)) {
      expect(bytesOf(bucket)).toBeGreaterThanOrEqual(1000);
      const largest = Math.max(...bucket.slices.map(({length}) => length));
      expect(bytesOf(bucket) - 4 * largest).toBeLessThan(1000);
    }
    const slices = buckets.flatMap((bucket) => bucket.slices);
    expect(new Set(slices.map(({entry}) => entry.variable.id)).size).toBe(slices.length);
    expect(bytesOf({slices})).toBe(4 * model.countParams());
  });

  it('starts each bucket at the next cache line', () => {
    const {buckets, length} = plan(1000);
    for (const [i, {start}] of buckets.entries()) {
      expect(start % CACHE_LINE_FLOATS).toBe(0);
      expect(start - (buckets[i - 1]?.end ?? 0)).toBeLessThan(CACHE_LINE_FLOATS);
    }
    expect(length).toBe(buckets.at(-1)!.end);
  });

  it('puts everything into one bucket that is large enough', () => {
    expect(plan(1e9).buckets).toHaveLength(1);
  });

  it('takes the last layer first, whose gradient is final first', () => {
    const {buckets, finalAt} = plan(1);
    const order = buckets.flatMap(({slices}) => slices.map(({entry}) => entry.name));
    const layers = [...new Set(order.map((name) => name.split('/').slice(0, -1).join('/')))];
    const forward = readGraph(model)
      .calls.map(({name}) => name)
      .filter((name) => layers.includes(name));
    expect(layers).toEqual([...forward].reverse());
    expect([...finalAt.values()].flat()).toHaveLength(order.length);
  });
});
