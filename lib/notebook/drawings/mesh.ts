/**
 * Draws which shards of the weights each rank holds: a box for each rank, stages from left to
 * right, replicas from top to bottom, tensor ranks next to each other.
 */
import type * as tf from '@tensorflow/tfjs';
import {ManyHandsError} from '../../base/errors';
import {aString, readOptions, type OptionTable} from '../../base/options';
import {formatBytes} from '../../base/units';
import {AXES_OUTSIDE_IN, type Mesh} from '../../mesh/mesh';
import {
  PLACEMENTS_OPTIONS,
  placements,
  type Placements,
  type PlacementsOptions,
  type RankPlacement,
} from '../../placement/placements';
import type {Strategy} from '../../config/options';
import type {Plan} from '../../config/plan';
import {Drawing} from '../drawing';
import type {View} from '../view';
import {
  placementLines,
  placementSentence,
  layersOfBlocks,
  type PlacementLine,
} from './placementWords';

/** Options of a mesh drawing. */
export interface MeshDrawingOptions extends PlacementsOptions {
  /** The heading. Default: the sizes of the mesh and the stage of ZeRO. */
  title?: string;
}

const OPTIONS: OptionTable<MeshDrawingOptions> = {...PLACEMENTS_OPTIONS, 'title?': aString};

const MOST_RANKS = 16;
const LINE = 16;
const SIZE = 11.5;
/** The mean width of a letter at that size in the widest font. */
const LETTER = 6.6;
const PAD = 8;
const INDENT = 10;
const HEAD = 26;
const GAP = 8;
const TOP = 46;
const NARROWEST = 150;
const WIDEST = 300;
/** The most boxes side by side; more tensor ranks stand one below the other. */
const MOST_ABREAST = 4;

const KINDS = [
  ['parameters', 3],
  ['gradients', 2],
  ['optimizer', 1],
] as const;

/** A line with the bytes of parameters, gradients and optimizer's state each. */
function byteLines(placement: RankPlacement, {mesh, zero}: Placements): string[] {
  return KINDS.map(
    ([kind, from]) =>
      `${kind} ${formatBytes(placement[kind])}${zero >= from ? `, part ${placement.at.data + 1} of ${mesh.data}` : ''}`,
  );
}

interface Box {
  lines: PlacementLine[];
  bytes: string[];
}

const widthOf = ({words, inBlock}: PlacementLine) =>
  words.length * LETTER + 2 * PAD + (inBlock ? INDENT : 0);

/** Words shortened with … to `width` pixels. */
function fitted(words: string, width: number): string {
  const most = Math.floor(width / LETTER);
  return words.length <= most ? words : `${words.slice(0, most - 1)}…`;
}

function drawBox(
  drawing: Drawing,
  x: number,
  y: number,
  width: number,
  height: number,
  {rank, at}: RankPlacement,
  {lines, bytes}: Box,
  parts: number,
): void {
  drawing.box({x, y: y + HEAD - 6, width, height: height - HEAD + 6});
  drawing.box(
    {x, y, width, height: HEAD},
    parts > 1 ? `rank ${rank}, tensor ${at.tensor}` : `rank ${rank}`,
    {rank, bold: true},
  );
  lines.forEach(({words, inBlock}, i) => {
    const left = PAD + (inBlock ? INDENT : 0);
    drawing.words(x + left, y + HEAD + PAD + (i + 0.5) * LINE, fitted(words, width - left - PAD), {
      anchor: 'start',
      size: SIZE,
    });
  });
  const below = y + height - PAD + 4 - bytes.length * LINE;
  bytes.forEach((words, i) =>
    drawing.words(x + PAD, below + (i + 0.5) * LINE, fitted(words, width - 2 * PAD), {
      anchor: 'start',
      size: SIZE,
      faint: true,
    }),
  );
}

/** What each stage of ZeRO shards. */
const SHARDED = [
  '',
  "the optimizer's state",
  "gradients and the optimizer's state",
  "parameters, gradients and the optimizer's state",
];

const sizesOf = (mesh: Mesh) =>
  AXES_OUTSIDE_IN.filter((axis) => mesh[axis] > 1)
    .map((axis) => `${axis} ${mesh[axis]}`)
    .join(' x ') || 'one rank';

/** Describes the drawing; ranks that hold the same parts share a sentence. */
function describe(
  {mesh, zero, ranks}: Placements,
  layers: ReadonlyMap<string, number>,
): {caption: string; alt: string} {
  const sizes = sizesOf(mesh);
  const gathering = zero === 3 ? ', which gather one block at a time' : '';
  const zeroSentence =
    zero > 0
      ? ` ZeRO stage ${zero} shards ${SHARDED[zero]} among the ${mesh.data} replicas${gathering}.`
      : '';
  const groups = new Map<string, RankPlacement[]>();
  for (const placement of ranks) {
    const words = placementSentence(placement.weights, layers);
    groups.set(words, [...(groups.get(words) ?? []), placement]);
  }
  const sentences = [...groups].map(([words, members]) => {
    const bytes = KINDS.map(([kind]) => `${kind} ${formatBytes(members[0][kind])}`).join(', ');
    return `Rank${members.length > 1 ? 's' : ''} ${members.map(({rank}) => rank).join(', ')}: ${words} (${bytes}).`;
  });
  return {
    caption: `Which rank holds what: ${sizes}.${zeroSentence}`,
    alt: `A mesh of ${sizes}: a box for each rank, with the parts of weights that it holds.${zeroSentence} ${sentences.join(' ')}`,
  };
}

/**
 * Draws which shards of the weights each rank holds, and their bytes, for a strategy or for the
 * plan of a run: `meshDrawing(model, {mesh: {data: 2, tensor: 2}, zero: 1})`, `meshDrawing(model,
 * result.plan)`. Shows the data of `placements` and throws what it throws; throws BAD_OPTION for
 * more than 16 ranks.
 */
export function meshDrawing(
  model: tf.LayersModel,
  strategy: Strategy | Plan,
  options: MeshDrawingOptions = {},
): View {
  const {title, ...rest} = readOptions('meshDrawing', options, OPTIONS);
  const placed = placements(model, strategy, rest);
  const {mesh, ranks} = placed;
  if (mesh.size > MOST_RANKS)
    throw new ManyHandsError(
      'BAD_OPTION',
      `meshDrawing: the mesh has ${mesh.size} ranks, and a drawing is readable for at most ${MOST_RANKS}: use a smaller mesh, or read the data of placements(model, strategy).`,
    );
  const layers = layersOfBlocks(model);
  const boxes = ranks.map(
    (placement): Box => ({
      lines: placementLines(placement.weights, layers),
      bytes: byteLines(placement, placed),
    }),
  );
  const longest = Math.max(
    ...boxes.flatMap(({lines, bytes}) =>
      [...lines, ...bytes.map((words) => ({words, inBlock: false}))].map(widthOf),
    ),
  );
  const width = Math.ceil(Math.min(WIDEST, Math.max(NARROWEST, longest)));
  const height =
    HEAD +
    2 * PAD +
    LINE * Math.max(...boxes.map(({lines, bytes}) => lines.length + bytes.length + 0.5));
  const across = mesh.pipeline * mesh.tensor <= MOST_ABREAST ? mesh.tensor : 1;
  const down = mesh.tensor / across;
  const left = mesh.data > 1 ? 68 : 16;
  const top = TOP + (mesh.pipeline > 1 ? 24 : 0);
  // A frame holds the tensor ranks of one stage of one replica.
  const cell = {width: across * (width + GAP) + GAP, height: down * (height + GAP) + GAP};
  const {caption, alt} = describe(placed, layers);
  const heading = title ?? `${sizesOf(mesh)}${placed.zero > 0 ? `, zero ${placed.zero}` : ''}`;
  const full = Math.max(left + mesh.pipeline * (cell.width + GAP) + GAP, 40 + heading.length * 8.2);
  const drawing = new Drawing(
    Math.ceil(full),
    Math.ceil(top + mesh.data * (cell.height + GAP) + GAP),
    alt,
  );
  drawing.words(20, 24, heading, {anchor: 'start', bold: true, size: 15});
  for (let stage = 0; stage < mesh.pipeline; stage++) {
    const x = left + stage * (cell.width + GAP);
    if (mesh.pipeline > 1)
      drawing.words(x + cell.width / 2, top - 12, `pipeline ${stage}`, {faint: true, size: 13});
    for (let replica = 0; replica < mesh.data; replica++) {
      const y = top + replica * (cell.height + GAP);
      if (mesh.data > 1 && stage === 0)
        drawing.words(left - 10, y + cell.height / 2, `data ${replica}`, {
          anchor: 'end',
          faint: true,
          size: 13,
        });
      if (mesh.tensor > 1) drawing.box({x, y, ...cell}, '', {dashed: true});
      for (let tensor = 0; tensor < mesh.tensor; tensor++) {
        const rank = mesh.rankAt({pipeline: stage, data: replica, tensor});
        drawBox(
          drawing,
          x + GAP + (tensor % across) * (width + GAP),
          y + GAP + Math.floor(tensor / across) * (height + GAP),
          width,
          height,
          ranks[rank],
          boxes[rank],
          mesh.tensor,
        );
      }
    }
  }
  return drawing.view(caption);
}
