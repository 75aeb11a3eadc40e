/** Layouts: what is chosen, what is refused, and with which rule that fits. */
import {describe, expect, it} from 'vitest';
import * as tf from '@tensorflow/tfjs';
import '#lib/devices/register.js';
import {convnet, transformer} from '#lib/models/index.js';
import {readGraph} from '#lib/model/graph.js';
import {writeShard, readShard} from '#lib/model/weightShard.js';
import {resolveLayout, type Layout} from '#lib/tensorParallel/layout.js';
import {registerLayout} from '#lib/tensorParallel/rules.js';

const text = (options: object = {}) =>
  readGraph(transformer({layers: 2, hidden: 16, heads: 4, sequence: 8, ...options}));

describe('a default layout', () => {
  it('of a transformer: tokens, heads, and each pair of Dense layers', () => {
    expect(resolveLayout(text(), undefined, 2)).toEqual({
      embedding: 'vocabulary',
      'block_0/attention': 'heads',
      'block_0/up': 'column',
      'block_0/down': 'row',
      'block_1/attention': 'heads',
      'block_1/up': 'column',
      'block_1/down': 'row',
    });
  });
  it('leaves whole what has not one for each device', () =>
    expect(resolveLayout(text({heads: 2}), undefined, 3)).not.toHaveProperty('block_0/attention'));
  it('of a convnet: its filters', () =>
    expect(Object.values(resolveLayout(readGraph(convnet()), undefined, 2))).toEqual([
      'filters',
      'filters',
    ]));
  it('finds nothing in a single layer', () => {
    const model = tf.sequential({layers: [tf.layers.dense({units: 4, inputShape: [4]})]});
    expect(() => resolveLayout(readGraph(model), undefined, 2)).toThrow(
      /finds nothing to shard over 2 devices/,
    );
  });
});

describe('a layout that cannot be', () => {
  const wrong: Array<[string, Layout, number, RegExp]> = [
    [
      'a pattern like no name',
      {'block_*/middle': 'column'},
      2,
      /no layer's name matches 'block_\*\/middle'\. The layers are embedding, positions/,
    ],
    [
      'an unknown rule',
      {'block_*/up': 'columns'} as unknown as Layout,
      2,
      /'block_\*\/up' must have a rule, 'column', 'row', 'vocabulary', 'heads', 'filters' or 'replicated'/,
    ],
    [
      'a rule that the class has not',
      {'block_*/up': 'heads'},
      2,
      /rule 'heads', which layers of the class Dense do not have: take 'column' or 'row', or 'replicated'/,
    ],
    [
      'a class without rules',
      {norm: 'column'},
      2,
      /class ManyHands>LayerNorm do not have: take 'replicated', or register one with registerLayout/,
    ],
    [
      'a column without its row',
      {'block_*/up': 'column'},
      2,
      /'block_0\/up' is 'column', so each device has a shard of its output, but 'block_0\/down' needs all of it: give 'block_0\/down' the rule 'row'/,
    ],
    [
      'a row without its column',
      {'block_*/down': 'row'},
      2,
      /'block_0\/down' is 'row', which takes a shard of its input, but its input is whole on each device: make the layer before it 'column'/,
    ],
    [
      'a softmax in parts',
      {head: 'column'},
      2,
      /'head' cannot be 'column', since its activation 'softmax' needs all of its outputs at once/,
    ],
    [
      'more devices than heads',
      {'*/attention': 'heads'},
      8,
      /'block_0\/attention' has only 4 heads for 8 devices, so a device would have none: make it 'replicated', or take at most 4/,
    ],
    [
      'two rules',
      {'block_0/*': 'replicated', 'block_0/up': 'column'},
      2,
      /gives 'block_0\/up' two rules: 'replicated' by 'block_0\/\*', and 'column' by 'block_0\/up'/,
    ],
    [
      'no object',
      'column' as unknown as Layout,
      2,
      /layout must be an object of patterns and rules/,
    ],
  ];
  it.each(wrong)('%s', (_, layout, size, message) =>
    expect(() => resolveLayout(text(), layout, size)).toThrow(message),
  );

  it('a column that ends the model', () => {
    const model = tf.sequential({
      layers: [tf.layers.dense({name: 'only', units: 4, inputShape: [4]})],
    });
    expect(() => resolveLayout(readGraph(model), {only: 'column'}, 2)).toThrow(
      /'only' is 'column' and is the model's output/,
    );
  });
  it('a column before what looks at whole rows', () => {
    const model = tf.sequential({
      layers: [
        tf.layers.dense({name: 'up', units: 4, inputShape: [4]}),
        tf.layers.layerNormalization({name: 'norm'}),
        tf.layers.dense({name: 'down', units: 4}),
      ],
    });
    expect(() => resolveLayout(readGraph(model), {up: 'column', down: 'row'}, 2)).toThrow(
      /'up' is 'column'.*'norm' needs all of it: make 'up' 'replicated'/,
    );
  });
  it('a rule without a name', () =>
    expect(() =>
      registerLayout('Mine', 'replicated' as 'row', {} as Parameters<typeof registerLayout>[2]),
    ).toThrow(/registerLayout: a rule is/));
});

describe('a part of a weight', () => {
  const shape = [3, 4, 2];
  const whole = Float32Array.from({length: 24}, (_, i) => i);
  it.each([0, 1, 2])('along dim %i is what tfjs slices, and goes back to its place', (dim) => {
    const cut = {dim, start: 1, end: shape[dim]};
    const part = readShard(whole, shape, cut);
    const begin = shape.map((_, i) => (i === dim ? 1 : 0));
    expect([...part]).toEqual([
      ...tf
        .slice(
          tf.tensor(whole, shape),
          begin,
          shape.map((length, i) => length - begin[i]),
        )
        .dataSync(),
    ]);
    const back = new Float32Array(24);
    writeShard(back, shape, cut, part);
    writeShard(
      back,
      shape,
      {dim, start: 0, end: 1},
      readShard(whole, shape, {dim, start: 0, end: 1}),
    );
    expect([...back]).toEqual([...whole]);
  });
});
