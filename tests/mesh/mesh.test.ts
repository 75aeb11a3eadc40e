/** The grid of ranks: places and ranks, the groups along an axis, and the grid in letters. */
import {describe, expect, it} from 'vitest';
import {Random} from '#lib/base/random.js';
import {AXES_OUTSIDE_IN, Mesh} from '#lib/mesh/mesh.js';

const random = new Random(1, 'meshes');
const size = () => 1 + random.integer(5);
const meshes = [
  [1, 1, 1],
  [2, 2, 2],
  [1, 4, 3],
  ...Array.from({length: 20}, () => [size(), size(), size()]),
].map(([data, tensor, pipeline]) => new Mesh({data, tensor, pipeline}));

describe.each(
  meshes.map((mesh) => [`${mesh.data} x ${mesh.tensor} x ${mesh.pipeline}`, mesh] as const),
)('a mesh of data x tensor x pipeline, %s', (_, mesh) => {
  const ranks = Array.from({length: mesh.size}, (_, rank) => rank);

  it('has one rank at each place, and the place of each rank', () => {
    expect(ranks.map((rank) => mesh.rankAt(mesh.coordinatesOf(rank)))).toEqual(ranks);
    for (const rank of ranks)
      for (const axis of AXES_OUTSIDE_IN)
        expect(mesh.coordinatesOf(rank)[axis]).toBeLessThan(mesh[axis]);
  });

  it('counts tensor fastest, then data, then pipeline', () => {
    const places = ranks
      .map((rank) => mesh.coordinatesOf(rank))
      .map(({pipeline, data, tensor}) => (pipeline * 100 + data) * 100 + tensor);
    expect(places).toEqual([...places].sort((a, b) => a - b));
  });

  it('has every rank in one group an axis, with those that differ from it on that axis alone', () => {
    for (const axis of AXES_OUTSIDE_IN) {
      const groups = mesh.groups(axis);
      expect(groups.flat().sort((a, b) => a - b)).toEqual(ranks);
      for (const group of groups) {
        expect(group).toHaveLength(mesh[axis]);
        for (const rank of group) expect(mesh.groupOf(axis, rank)).toEqual(group);
        group.forEach((rank, i) =>
          expect(mesh.coordinatesOf(rank)).toEqual({...mesh.coordinatesOf(group[0]), [axis]: i}),
        );
      }
    }
  });

  it.skipIf(mesh.pipeline * mesh.data > 24)('names every rank in letters', () => {
    const [, , ...rows] = String(mesh).split('\n');
    expect(
      rows.flatMap((row) =>
        row
          .replace(/(pipeline|data) \d+/g, '')
          .trim()
          .split(/\s+/)
          .map(Number),
      ),
    ).toEqual(ranks);
  });
});

describe('the grid in letters', () => {
  it('of 2 x 2 x 2', () => {
    expect(String(new Mesh({data: 2, tensor: 2, pipeline: 2}))).toBe(
      [
        'pipeline 2 x data 2 x tensor 2: 8 ranks, tensor innermost',
        '                      tensor 0  tensor 1',
        'pipeline 0  data 0           0         1',
        '            data 1           2         3',
        'pipeline 1  data 0           4         5',
        '            data 1           6         7',
      ].join('\n'),
    );
  });

  it('of one axis', () => {
    expect(
      String(new Mesh({data: 2, tensor: 1, pipeline: 1}))
        .split('\n')
        .slice(1),
    ).toEqual(['          rank', 'data 0       0', 'data 1       1']);
  });

  it('leaves the middle of many rows out', () => {
    const lines = String(new Mesh({data: 25, tensor: 8, pipeline: 50})).split('\n');
    expect(lines).toHaveLength(2 + 24);
    expect(lines.at(-2)).toBe('...');
    expect(lines.at(-1)).toMatch(/^pipeline 49 +data 24 +9992 .* 9999$/);
  });

  it('as JSON is its sizes', () =>
    expect(JSON.parse(JSON.stringify(new Mesh({data: 2, tensor: 3, pipeline: 4})))).toEqual({
      data: 2,
      tensor: 3,
      pipeline: 4,
    }));
});
