/**
 * Draws the ranks of a mesh in their machines, and the groups of one rank along each axis.
 */
import {ManyHandsError, shown} from '../../base/errors';
import {AXES_INSIDE_OUT, Mesh, type Axis, type MeshSizes} from '../../mesh/mesh';
import {anything, nameFrom, readOptions, type OptionTable} from '../../base/options';
import {Drawing} from '../drawing';
import type {View} from '../view';

/** The rank whose groups are shown, and the placement of ranks on machines. */
export interface RanksDrawingOptions {
  /** The rank whose groups are shown. */
  rank: number;
  /** Devices per machine; a machine has consecutive ranks. */
  devicesPerNode: number;
  /** The axis whose neighbours have consecutive ranks; the library uses 'tensor'. @default 'tensor' */
  innermost?: 'tensor' | 'data';
}

/** The axes when data and tensor change places. */
const SWAPPED: Record<Axis, Axis> = {data: 'tensor', tensor: 'data', pipeline: 'pipeline'};
const OPTIONS: OptionTable<RanksDrawingOptions> = {
  // Both are checked against the mesh.
  rank: anything,
  devicesPerNode: anything,
  'innermost?': nameFrom(['tensor', 'data']),
};

const BOX = {width: 76, height: 52, step: 84} as const;

/**
 * Draws the ranks of a mesh, framed by machine, and the groups of one rank. Throws BAD_OPTION for a
 * rank that the mesh does not have, or when the ranks do not fill whole machines.
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
  const axisInMesh = (axis: Axis): Axis => (swapped ? SWAPPED[axis] : axis);
  const groups = AXES_INSIDE_OUT.filter((axis) => sizes[axis] > 1).map((axis) => ({
    axis,
    ranks: mesh.groupOf(axisInMesh(axis), rank),
  }));
  const machineOf = (member: number) => Math.floor(member / devicesPerNode);
  const says = groups
    .map(
      ({axis, ranks}) =>
        `${axis} ${ranks.join(', ')} (${ranks.every((member) => machineOf(member) === machineOf(rank)) ? 'within its machine' : `across ${new Set(ranks.map(machineOf)).size} machines`})`,
    )
    .join('; ');

  const machines = mesh.size / devicesPerNode;
  const across = machines > 1 && devicesPerNode <= 4 ? 2 : 1;
  const frame = {width: devicesPerNode * BOX.step + 16, height: BOX.height + 44};
  const title = `pipeline ${pipeline} x data ${data} x tensor ${tensor}, ${innermost} innermost`;
  const drawing = new Drawing(
    24 + across * (frame.width + 20),
    52 + Math.ceil(machines / across) * (frame.height + 14),
    `${mesh.size} ranks in ${machines} machines, ${title}. Rank ${rank} communicates in these groups: ${says}.`,
  );
  drawing.words(24, 26, title, {anchor: 'start', bold: true, size: 15});
  for (let machine = 0; machine < machines; machine++) {
    const x = 20 + (machine % across) * (frame.width + 20);
    const y = 46 + Math.floor(machine / across) * (frame.height + 14);
    drawing.box({x, y, ...frame});
    drawing.words(x + 12, y + 17, `machine ${machine}`, {anchor: 'start', size: 12, faint: true});
    for (let device = 0; device < devicesPerNode; device++) {
      const member = machine * devicesPerNode + device;
      const chosen = member === rank;
      const shared = chosen ? [] : groups.filter(({ranks}) => ranks.includes(member));
      const words = [String(member), ...shared.map(({axis}) => axis)].join('\n');
      const box = {x: x + 12 + device * BOX.step, y: y + 32, width: BOX.width, height: BOX.height};
      drawing.box(box, '', chosen || shared.length > 0 ? {rank: member} : {dashed: true});
      drawing.words(
        box.x + box.width / 2,
        box.y + box.height / 2,
        chosen ? `rank ${rank}` : words,
        {
          bold: chosen,
          faint: !chosen && shared.length === 0,
          halo: true,
        },
      );
    }
  }
  return drawing.view(`Rank ${rank} communicates in these groups: ${says}.`);
}
