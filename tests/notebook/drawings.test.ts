import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import * as tf from '@tensorflow/tfjs';
import {describe, expect, it} from 'vitest';
import {algorithmDrawing} from '#lib/notebook/drawings/algorithm.js';
import {shardDrawing} from '#lib/notebook/drawings/shards.js';
import {collectiveDrawing} from '#lib/notebook/drawings/collective.js';
import {Drawing} from '#lib/notebook/drawing.js';
import {
  courseMapDrawing,
  oneMachineDrawing,
  dataParallelDrawing,
  modelParallelDrawing,
  puzzleDrawing,
} from '#lib/notebook/drawings/course.js';
import {decisionCard, wrapped} from '#lib/notebook/drawings/decisionCard.js';
import {saveDrawing} from '#lib/notebook/view.js';
import '#lib/devices/register.js';
import {mlp, transformer} from '#lib/models/index.js';
import {meshDrawing} from '#lib/notebook/drawings/mesh.js';
import {matrixDrawing} from '#lib/notebook/drawings/matrix.js';
import {scheduleDrawing} from '#lib/notebook/drawings/schedule.js';
import {simulateSchedule} from '#lib/pipelineParallel/simulateSchedule.js';
import {schedule} from '#lib/pipelineParallel/schedule.js';
import {pipelineSchedule} from '#lib/pipelineParallel/namedSchedules.js';
import {ranksDrawing} from '#lib/notebook/drawings/ranks.js';
import {lossChartSvg} from '#lib/notebook/lossChart.js';
import {linear, thinned, ticks} from '#lib/notebook/scale.js';
import {table} from '#lib/notebook/table.js';
import type {View} from '#lib/notebook/view.js';
import {elements, imageOf} from './xml';
import {temporaryFolder} from '../helpers/folders';

const map = courseMapDrawing(
  [
    {
      name: 'Start',
      stops: [
        {id: '00', title: 'Many & hands'},
        {id: '01', title: 'One machine', ready: false},
      ],
    },
  ],
  '00',
);
const drawings: Record<string, View> = {
  puzzle: puzzleDrawing(),
  'puzzle with eight hands': puzzleDrawing(8),
  dataParallel: dataParallelDrawing(),
  modelParallel: modelParallelDrawing(),
  oneMachine: oneMachineDrawing(),
  map,
  'a blank decision card': decisionCard(),
  'a matrix by columns': matrixDrawing('columns'),
  'a matrix by rows': matrixDrawing('rows'),
  'a pair': matrixDrawing('pair'),
  '1F1B': scheduleDrawing(pipelineSchedule('1f1b', {ranks: 3, microBatches: 4}), {animated: false}),
  interleaved: scheduleDrawing(pipelineSchedule('interleaved-1f1b', {ranks: 2, microBatches: 4}), {
    animated: false,
  }),
  'a mesh of 2 x 2': meshDrawing(transformer({layers: 4}), {mesh: {data: 2, tensor: 2}}),
  'a mesh of 2 x 2 x 2': meshDrawing(transformer({layers: 4}), {
    mesh: {data: 2, tensor: 2, pipeline: 2},
    zero: 1,
  }),
  'a mesh of tensor parts': meshDrawing(mlp(), {mesh: {tensor: 8}}),
  'shards on a mesh': meshDrawing(transformer(), 'fsdp'),
  'all-gather': collectiveDrawing('allGather'),
  'all-to-all': collectiveDrawing('allToAll'),
  'shards of stage 2': shardDrawing(2),
  ring: algorithmDrawing('allReduce', 'ring'),
  'ranks of a mesh': ranksDrawing({data: 2, tensor: 4, pipeline: 2}, {rank: 5, devicesPerNode: 4}),
  'a tree of five': algorithmDrawing('broadcast', 'tree', 5),
};

describe.each(Object.entries(drawings))('%s', (_, view) => {
  const html = String(view.outputs[0]!['text/html']);
  const {svg, alt} = imageOf(html);

  it('is a whole SVG picture with the same words as title, alt text and text', () => {
    expect(elements(svg)[0]).toBe('svg');
    expect(alt.length).toBeGreaterThan(60);
    expect(svg).toContain(`<title>${alt}</title>`);
    expect(html).toMatch(/<figcaption>[^<]+<\/figcaption>/);
    expect(view.text.length).toBeGreaterThan(80);
  });

  it('uses only patterns that it defines, and fetches nothing', () => {
    const used = [...svg.matchAll(/url\(#([^)]+)\)/g)].map((match) => match[1]!);
    for (const id of used) expect(svg).toContain(`<pattern id="${id}"`);
    expect(svg.replace('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:|<script|<style/);
  });

  it('keeps every word on the card', () => {
    const [, width, height] = /viewBox="0 0 (\d+) (\d+)"/.exec(svg)!.map(Number);
    for (const [, x, y] of svg.matchAll(/<text x="([\d.-]+)" y="([\d.-]+)"/g)) {
      expect(Number(x)).toBeGreaterThan(0);
      expect(Number(x)).toBeLessThan(width!);
      expect(Number(y)).toBeGreaterThan(0);
      expect(Number(y)).toBeLessThan(height!);
    }
  });
});

describe('the map', () => {
  it('says where the reader is and what is to come', () => {
    expect(map.text).toContain('00 Many & hands (you are here)');
    expect(map.text).toContain('01 One machine (to come)');
    expect(imageOf(map.outputs[0]!['text/html']).svg).toContain('Many &#38; hands');
  });
});

describe('the ranks of a mesh', () => {
  const sizes = {data: 2, tensor: 4, pipeline: 2};

  it('names the groups of a rank, and the machines in which they lie', () => {
    expect(ranksDrawing(sizes, {rank: 5, devicesPerNode: 4}).text).toContain(
      'tensor 4, 5, 6, 7 (within its machine); data 1, 5 (across 2 machines); pipeline 5, 13 (across 2 machines)',
    );
    expect(ranksDrawing(sizes, {rank: 5, devicesPerNode: 4, innermost: 'data'}).text).toContain(
      'tensor 1, 3, 5, 7 (across 2 machines); data 4, 5 (within its machine); pipeline 5, 13',
    );
  });

  it('refuses a rank that is not there, and machines that are not filled', () => {
    expect(() => ranksDrawing(sizes, {rank: 16, devicesPerNode: 4})).toThrow(
      'the mesh has ranks 0 to 15',
    );
    expect(() => ranksDrawing(sizes, {rank: 0, devicesPerNode: 3})).toThrow('does not divide');
  });
});

describe('a drawing', () => {
  it('marks a rank by colour and by pattern', () => {
    const svg = new Drawing(100, 100, 'Two boxes.')
      .box({x: 1, y: 1, width: 20, height: 20}, 'a', {rank: 0})
      .box({x: 30, y: 1, width: 20, height: 20}, 'b', {rank: 1})
      .svg();
    expect(svg.match(/<pattern /g)).toHaveLength(1);
  });
});

describe('the loss chart', () => {
  const chart = {
    losses: Array.from({length: 5000}, (_, at) => ({at: at + 1, value: 5 / (at + 1)})),
    validation: [{at: 2500, value: 1}],
    totalSteps: 5000,
    epochEnds: [2500],
  };

  it('stays small however long the run', () => {
    const svg = lossChartSvg(chart);
    expect(elements(svg)).toContain('polyline');
    expect(svg.length).toBeLessThan(12_000);
  });

  it('draws a chart without a step, one with a single step and one of equal values', () => {
    for (const losses of [
      [],
      [{at: 1, value: 2}],
      [
        {at: 1, value: 2},
        {at: 2, value: 2},
      ],
      [{at: 1, value: 0}],
      [{at: 1, value: -3}],
    ]) {
      expect(elements(lossChartSvg({...chart, losses, validation: []})).length).toBeGreaterThan(5);
    }
  });
});

describe('axes', () => {
  it('have round ticks that hold the values', () => {
    expect(ticks(0, 2.4, 4)).toEqual([0, 1, 2, 3]);
    expect(ticks(0, 0.29, 3)).toEqual([0, 0.1, 0.2, 0.3]);
    expect(ticks(-3, 5, 4)).toEqual([-4, -2, 0, 2, 4, 6]);
    expect(ticks(2, 2, 4).length).toBeGreaterThan(1);
    for (const [low, high] of [
      [0, 1e-7],
      [0, 123456],
      [-1, 1],
    ] as const) {
      const made = ticks(low, high);
      expect(made[0]).toBeLessThanOrEqual(low);
      expect(made.at(-1)).toBeGreaterThanOrEqual(high);
    }
  });

  it('place a value between two ends', () => {
    expect(linear([0, 10], [100, 0])(2.5)).toBe(75);
    expect(linear([3, 3], [0, 10])(3)).toBe(0);
  });

  it('thin points to means and keep the last', () => {
    const points = Array.from({length: 10}, (_, at) => ({at, value: at * 2}));
    expect(thinned(points, 20)).toEqual(points);
    expect(thinned(points, 5)).toEqual(
      [0.5, 2.5, 4.5, 6.5, 8.5, 9].map((at) => ({at, value: at * 2})),
    );
  });
});

describe('meshDrawing', () => {
  const words = (view: View) =>
    [...imageOf(view.outputs[0]!['text/html']).svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map(
      ([, one]) => one!,
    );
  const model = transformer({layers: 4});

  it("says each rank's pieces by block, and its bytes", () => {
    const all = words(meshDrawing(model, {mesh: {data: 2, tensor: 2, pipeline: 2}, zero: 1}));
    const first = all.slice(all.indexOf('rank 1, tensor 1'), all.indexOf('rank 2, tensor 0'));
    expect(first.slice(0, 11)).toEqual([
      'rank 1, tensor 1',
      'embedding: tokens 48–95 of 96',
      'positions: whole',
      'block_0, block_1',
      'attention: heads 2, 3 of 4',
      'up: columns 128–255 of 256',
      'down: rows 128–255 of 256',
      'norm_1, norm_2: whole',
      'parameters 229 kB',
      'gradients 229 kB',
      'optimizer 229 kB, part 1 of 2',
    ]);
    expect(all.filter((one) => /^(pipeline|data) \d$/.test(one))).toEqual([
      'pipeline 0',
      'data 0',
      'data 1',
      'pipeline 1',
    ]);
  });

  it('puts blocks together only where they follow each other, and calls them whole only where all of them is there', () => {
    expect(
      meshDrawing(model, {
        mesh: {pipeline: 2},
        schedule: 'interleaved-1f1b',
        splitAt: ['block_0', 'block_2', 'block_3'],
      }).text,
    ).toContain('Rank 0: embedding, positions, block_2: whole');
    expect(meshDrawing(model, {mesh: {pipeline: 2}, splitAt: ['block_1/norm_2']}).text).toContain(
      'Rank 0: embedding to block_0: whole; block_1 with norm_1, attention: whole',
    );
  });

  it('has no line that is longer than its box, whatever the names', () => {
    const long = tf.sequential({
      layers: ['up', 'down'].map((name, i) =>
        tf.layers.dense({
          name: `a_layer_with_a_name_that_no_box_could_ever_hold/${name}`,
          units: 8,
          ...(i === 0 ? {inputShape: [8]} : {}),
        }),
      ),
    });
    long.compile({optimizer: 'sgd', loss: 'meanSquaredError'});
    expect(
      words(meshDrawing(long, {mesh: {tensor: 2}})).filter((one) => one.endsWith('…')).length,
    ).toBeGreaterThan(0);
  });

  it('keeps every box on the card', () => {
    for (const view of [drawings['a mesh of 2 x 2 x 2']!, drawings['a mesh of tensor parts']!]) {
      const {svg} = imageOf(view.outputs[0]!['text/html']);
      const [, width, height] = /viewBox="0 0 (\d+) (\d+)"/.exec(svg)!.map(Number);
      for (const [, x, y, w, h] of svg.matchAll(
        /<rect x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)"/g,
      )) {
        expect(Number(x) + Number(w)).toBeLessThanOrEqual(width!);
        expect(Number(y) + Number(h)).toBeLessThanOrEqual(height!);
      }
    }
  });

  it('refuses more than can be read', () =>
    expect(() => meshDrawing(model, {mesh: {data: 5, tensor: 4}})).toThrow(
      /the mesh has 20 ranks, and a drawing is readable for at most 16/,
    ));
});

describe('algorithmDrawing', () => {
  it('says how much is whole after each step, from the messages that run', () => {
    expect(algorithmDrawing('allReduce', 'ring', 4).text).toContain(
      '6 steps with 4, 4, 4, 4, 4, 4 messages. Parts that hold the whole sum, out of 16: 0 at the start, 0 after step 1, 0 after step 2, 4 after step 3, 8 after step 4, 12 after step 5, 16 after step 6.',
    );
    expect(algorithmDrawing('broadcast', 'tree', 5).text).toContain(
      '3 steps with 1, 2, 1 messages. Parts that have arrived, out of 25: 5 at the start, 10 after step 1, 20 after step 2, 25 after step 3.',
    );
    expect(() => algorithmDrawing('broadcast', 'ring')).toThrow(
      /broadcast has no algorithm 'ring'/,
    );
  });
});

describe('collectiveDrawing', () => {
  it('says what each rank holds before and after', () => {
    expect(collectiveDrawing('allToAll').text).toContain(
      'After: rank 0: a0 b0 c0 d0; rank 1: a1 b1 c1 d1;',
    );
    expect(collectiveDrawing('reduceScatter').text).toContain(
      'After: rank 0: Σ0 nothing nothing nothing;',
    );
    expect(() => collectiveDrawing('gather' as 'allGather')).toThrow(/no collective "gather"/);
  });
});

describe('a schedule that plays itself', () => {
  const gpipe = pipelineSchedule('gpipe', {ranks: 2, microBatches: 3});
  const {svg, alt} = imageOf(String(scheduleDrawing(gpipe).outputs[0]!['text/html']));

  it('shows each piece of work at its time, and all at once to who wants no motion', () => {
    const delays = [...svg.matchAll(/animation-delay:([\d.]+)s/g)].map(([, delay]) =>
      Number(delay),
    );
    const {played, total} = simulateSchedule(gpipe);
    expect(delays).toEqual(played.map(({start}) => Number(((5 * start) / total).toFixed(2))));
    expect(svg).toContain('@media (prefers-reduced-motion:reduce){.b{opacity:1;animation:none}}');
    expect(svg.replace('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:|<script/);
  });

  it('looks the same whatever the unit of its costs', () => {
    const drawn = (unit: number) =>
      imageOf(
        String(
          scheduleDrawing(gpipe, {
            costOf: ({do: kind}) => unit * (kind === 'forward' ? 1 : 2),
            animated: false,
          }).outputs[0]!['text/html'],
        ),
      ).svg;
    expect(drawn(2 ** -10)).toBe(drawn(1));
  });

  it('says its bubble and what is alive', () =>
    expect(alt).toBe(
      'gpipe: the ranks are idle 25.0 % of the time; ranks 0 to 1 hold at most 3, 3 micro-batches at once.',
    ));

  it('is refused where it would wait for ever', () =>
    expect(() => scheduleDrawing(schedule('mine', ['F1 B1 F2 B2', 'F2 B2 F1 B1']))).toThrow(
      /'mine' has a deadlock/,
    ));
});

describe('the decision card', () => {
  const machine = {
    device: 'A processor with a name that is longer than any field of the card could hold',
    cores: 2,
    memoryBytes: 8e9,
    engine: 'tensorflow',
    links: (['allReduce', 'sumTensor', 'send'] as const).map((operation) => ({
      operation,
      ranks: 2,
      alpha: 12e-6,
      beta: 0.25e-9,
    })),
  };
  const filled = {fits: '17 MB ≤ 4.00 GB', data: 'a very long sentence '.repeat(12)};
  const verdicts = [
    {
      model: 'small',
      best: 'one device',
      predictedSeconds: 0.001,
      reason: 'do not parallelise: '.repeat(9),
    },
    {
      model: 'wide',
      best: 'tensorParallel',
      predictedSeconds: 0.02,
      measuredSeconds: 0.021,
      reason: 'a step takes 20 ms.',
    },
  ];

  it('is blank at first, and says so', () => {
    expect(decisionCard().text).toContain('one worker computes: blank');
    expect(decisionCard().text).toContain(
      '1  Does it fit? bytes of a step ≤ memory of a device; mine: blank.',
    );
  });

  it('holds the numbers, the inequalities and the verdicts, in words too', () => {
    const {text} = decisionCard({
      machine,
      flopsPerSecond: 5e10,
      memoryBytes: 4e9,
      filled,
      verdicts,
    });
    expect(text).toContain(
      'one worker computes: 50 GFLOP/s; memory of a device: 4.00 GB; all-reduce, α + bytes β: 12 µs + 0.250 ns per byte',
    );
    expect(text).toContain('mine: 17 MB ≤ 4.00 GB.');
    expect(text).toContain('wide: tensorParallel, predicted 20 ms; a step takes 20 ms.');
  });

  it('is as high as what stands on it, and breaks lines where they would leave their column', () => {
    const height = (view: View) =>
      Number(/viewBox="0 0 \d+ (\d+)"/.exec(imageOf(view.outputs[0]!['text/html']).svg)![1]);
    expect(height(decisionCard({filled}))).toBeGreaterThan(height(decisionCard()));
    expect(wrapped('one two three', 60, 13)).toEqual(['one two', 'three']);
    expect(wrapped('immeasurablylong', 60, 13)).toEqual(['immeasu…']);
  });
});

describe('saveDrawing', () => {
  it('keeps a drawing as an SVG file, in a folder that need not be there', () => {
    const folder = temporaryFolder('drawing');
    const path = join(folder, 'answers', 'card.svg');
    expect(saveDrawing(decisionCard(), path)).toBe(path);
    expect(readFileSync(path, 'utf8')).toBe(imageOf(decisionCard().outputs[0]!['text/html']).svg);
    saveDrawing(scheduleDrawing(pipelineSchedule('gpipe', {ranks: 2, microBatches: 2})), path);
    expect(readFileSync(path, 'utf8')).toContain('animation');
  });

  it('refuses what is no drawing', () =>
    expect(() => saveDrawing(table([{a: 1}], {caption: 'a table'}), 'x.svg')).toThrow(
      /saveDrawing writes a drawing/,
    ));
});
