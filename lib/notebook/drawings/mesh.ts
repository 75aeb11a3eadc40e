/**
 * Which device holds which piece of which weight: a box a rank, stages from left to
 * right, replicas from top to bottom, tensor parts beside each other.
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
import type {Plan} from '../../config/strategy';
import {Drawing} from '../drawing';
import type {View} from '../view';
import {holdingLines, holdingSentence, layersOfBlocks, type HoldingLine} from './meshWords';

/** How a mesh is drawn. */
export interface MeshDrawingOptions extends PlacementsOptions {
  /** @default the mesh's sizes and the stage of ZeRO */
  title?: string;
}

const OPTIONS: OptionTable<MeshDrawingOptions> = {...PLACEMENTS_OPTIONS, 'title?': aString};

const MOST_RANKS = 16;
const LINE = 16;
const SIZE = 11.5;
/** A letter's width in the mean, at that size, in the widest of the fonts. */
const LETTER = 6.6;
const PAD = 8;
const INDENT = 10;
const HEAD = 26;
const GAP = 8;
const TOP = 46;
const NARROWEST = 150;
const WIDEST = 300;
/** Boxes side by side, at most; more tensor parts stand one below the other. */
const ABREAST = 4;

const KINDS = [
  ['parameters', 3],
  ['gradients', 2],
  ['optimizer', 1],
] as const;

/** What a rank keeps of parameters, gradients and the optimizer's state, a line each. */
function byteLines(holding: RankPlacement, {mesh, zero}: Placements): string[] {
  return KINDS.map(
    ([kind, from]) =>
      `${kind} ${formatBytes(holding[kind])}${zero >= from ? `, part ${holding.at.data + 1} of ${mesh.data}` : ''}`,
  );
}

interface Box {
  lines: HoldingLine[];
  bytes: string[];
}

const widthOf = ({words, inBlock}: HoldingLine) =>
  words.length * LETTER + 2 * PAD + (inBlock ? INDENT : 0);

/** Words that end with … where there is no room for all. */
function fitted(words: string, room: number): string {
  const most = Math.floor(room / LETTER);
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

const DIVIDES = [
  '',
  "the optimizer's state",
  "gradients and the optimizer's state",
  "parameters, gradients and the optimizer's state",
];

const sizesOf = (mesh: Mesh) =>
  AXES_OUTSIDE_IN.filter((axis) => mesh[axis] > 1)
    .map((axis) => `${axis} ${mesh[axis]}`)
    .join(' x ') || 'one rank';

/** What is drawn, in words: ranks that hold the same pieces together. */
function told(
  {mesh, zero, ranks}: Placements,
  layers: ReadonlyMap<string, number>,
): {caption: string; alt: string} {
  const sizes = sizesOf(mesh);
  const divides =
    zero > 0
      ? ` ZeRO stage ${zero} divides ${DIVIDES[zero]} among the ${mesh.data} replicas${zero === 3 ? ', which gather a block at a time' : ''}.`
      : '';
  const alike = new Map<string, RankPlacement[]>();
  for (const one of ranks) {
    const words = holdingSentence(one.weights, layers);
    alike.set(words, [...(alike.get(words) ?? []), one]);
  }
  const each = [...alike].map(([words, [first, ...others]]) => {
    const bytes = KINDS.map(([kind]) => `${kind} ${formatBytes(first[kind])}`).join(', ');
    return `Rank${others.length > 0 ? 's' : ''} ${[first, ...others].map(({rank}) => rank).join(', ')}: ${words} (${bytes}).`;
  });
  return {
    caption: `Who holds what: ${sizes}.${divides}`,
    alt: `Of a mesh, ${sizes}, a box a rank with the pieces of weights that it holds.${divides} ${each.join(' ')}`,
  };
}

/**
 * Draws which rank holds which piece of which weight, and the bytes that it keeps:
 * `meshDrawing(model, {mesh: {data: 2, tensor: 2}, zero: 1})`, or of a run `meshDrawing(model,
 * result.plan)`. Throws as `placements` does, whose data it shows, and BAD_OPTION for more than 16
 * ranks.
 */
export function meshDrawing(
  model: tf.LayersModel,
  strategy: Strategy | Plan,
  options: MeshDrawingOptions = {},
): View {
  const {title, ...rest} = readOptions('meshDrawing', options, OPTIONS);
  const held = placements(model, strategy, rest);
  const {mesh, ranks} = held;
  if (mesh.size > MOST_RANKS)
    throw new ManyHandsError(
      'BAD_OPTION',
      `meshDrawing: the mesh has ${mesh.size} ranks, and ${MOST_RANKS} at most can be read in one drawing: take a smaller mesh, or look at placements(model, strategy), which has them all as data.`,
    );
  const layers = layersOfBlocks(model);
  const boxes = ranks.map(
    (one): Box => ({lines: holdingLines(one.weights, layers), bytes: byteLines(one, held)}),
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
  const across = mesh.pipeline * mesh.tensor <= ABREAST ? mesh.tensor : 1;
  const down = mesh.tensor / across;
  const left = mesh.data > 1 ? 68 : 16;
  const top = TOP + (mesh.pipeline > 1 ? 24 : 0);
  // Tensor parts of one replica's stage stand in one frame.
  const cell = {width: across * (width + GAP) + GAP, height: down * (height + GAP) + GAP};
  const {caption, alt} = told(held, layers);
  const heading = title ?? `${sizesOf(mesh)}${held.zero > 0 ? `, zero ${held.zero}` : ''}`;
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
