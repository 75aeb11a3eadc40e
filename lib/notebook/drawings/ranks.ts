/**
 * The ranks of a mesh in their machines, and with whom one of them talks along each
 * axis.
 */
import {ManyHandsError, shown} from '../../base/errors';
import {anything, nameFrom, readOptions, type OptionTable} from '../../base/options';
import {Mesh, type Axis, type MeshSizes} from '../../mesh/mesh';
import {Drawing} from '../drawing';
import type {View} from '../view';

/** Whose groups are shown, and where the ranks stand. */
export interface RanksDrawingOptions {
  /** The rank whose groups are shown. */
  rank: number;
  /** Devices of a machine; its ranks are consecutive. */
  devicesPerNode: number;
  /** The axis that counts fastest; 'tensor' is the library's own order. @default 'tensor' */
  innermost?: 'tensor' | 'data';
}

const OPTIONS: OptionTable<RanksDrawingOptions> = {
  // Both are checked against the mesh.
  rank: anything,
  devicesPerNode: anything,
  'innermost?': nameFrom(['tensor', 'data']),
};

const AXES: readonly Axis[] = ['tensor', 'data', 'pipeline'];
const BOX = {width: 76, height: 52, step: 84} as const;

/**
 * The ranks of a mesh, a frame a machine, and the groups of one of them. Throws BAD_OPTION for a
 * rank that it has not, or machines that are not filled.
 */
export function ranksDrawing(sizes: MeshSizes, options: RanksDrawingOptions): View {
  const {
    rank,
    devicesPerNode,
    innermost = 'tensor',
  } = readOptions('ranksDrawing', options, OPTIONS);
  const {data, tensor, pipeline} = sizes;
  const swapped = innermost === 'data';
  const mesh = new Mesh(
    swapped ? {data: tensor, tensor: data, pipeline} : {data, tensor, pipeline},
  );
  if (!Number.isInteger(rank) || rank < 0 || rank >= mesh.size)
    throw new ManyHandsError(
      'BAD_OPTION',
      `ranksDrawing: rank is ${shown(rank)}; the mesh has ranks 0 to ${mesh.size - 1}.`,
    );
  if (!Number.isInteger(devicesPerNode) || devicesPerNode < 1 || mesh.size % devicesPerNode !== 0) {
    throw new ManyHandsError(
      'BAD_OPTION',
      `ranksDrawing: devicesPerNode is ${shown(devicesPerNode)}, which does not divide the mesh's ${mesh.size} ranks into whole machines.`,
    );
  }
  const kept = (axis: Axis): Axis =>
    swapped && axis !== 'pipeline' ? (axis === 'data' ? 'tensor' : 'data') : axis;
  const groups = AXES.filter((axis) => sizes[axis] > 1).map((axis) => ({
    axis,
    ranks: mesh.groupOf(kept(axis), rank),
  }));
  const machineOf = (one: number) => Math.floor(one / devicesPerNode);
  const says = groups
    .map(
      ({axis, ranks}) =>
        `${axis} ${ranks.join(', ')} (${ranks.every((one) => machineOf(one) === machineOf(rank)) ? 'in its own machine' : `in ${new Set(ranks.map(machineOf)).size} machines`})`,
    )
    .join('; ');

  const machines = mesh.size / devicesPerNode;
  const across = machines > 1 && devicesPerNode <= 4 ? 2 : 1;
  const frame = {width: devicesPerNode * BOX.step + 16, height: BOX.height + 44};
  const title = `pipeline ${pipeline} x data ${data} x tensor ${tensor}, ${innermost} innermost`;
  const drawing = new Drawing(
    24 + across * (frame.width + 20),
    52 + Math.ceil(machines / across) * (frame.height + 14),
    `${mesh.size} ranks in ${machines} machines, ${title}. Rank ${rank} talks in these groups: ${says}.`,
  );
  drawing.words(24, 26, title, {anchor: 'start', bold: true, size: 15});
  for (let machine = 0; machine < machines; machine++) {
    const [x, y] = [
      20 + (machine % across) * (frame.width + 20),
      46 + Math.floor(machine / across) * (frame.height + 14),
    ];
    drawing.box({x, y, ...frame});
    drawing.words(x + 12, y + 17, `machine ${machine}`, {anchor: 'start', size: 12, faint: true});
    for (let at = 0; at < devicesPerNode; at++) {
      const one = machine * devicesPerNode + at;
      const shares = groups
        .filter(({ranks}) => one !== rank && ranks.includes(one))
        .map(({axis}) => axis);
      const place = {x: x + 12 + at * BOX.step, y: y + 32, width: BOX.width, height: BOX.height};
      const words =
        one === rank ? `rank ${one}` : shares.length > 0 ? `${one}\n${shares.join()}` : String(one);
      drawing.box(place, '', one === rank || shares.length > 0 ? {rank: one} : {dashed: true});
      drawing.words(place.x + place.width / 2, place.y + place.height / 2, words, {
        bold: one === rank,
        faint: one !== rank && shares.length === 0,
        halo: true,
      });
    }
  }
  return drawing.view(`Rank ${rank} talks in these groups: ${says}.`);
}
