/**
 * Draws a product Y = X A on two ranks: A split by columns, by rows, or one layer after the other.
 */
import {ManyHandsError, oneOf, shown} from '../../base/errors';
import {Drawing} from '../drawing';
import type {View} from '../view';

/** How the weights are split: by columns, by rows, or by columns and then by rows in two layers. */
export type MatrixSplit = 'columns' | 'rows' | 'pair';
const SPLITS: readonly MatrixSplit[] = ['columns', 'rows', 'pair'];

const HEIGHT = 84;
const TOP = 46;

function columns(): Drawing {
  const drawing = new Drawing(
    560,
    170,
    'Y is X times A, with A split by columns: both ranks have all of X; rank 0 has the left columns of A and computes the left columns of Y, rank 1 the right ones.',
  );
  drawing.words(20, 22, 'by columns', {anchor: 'start', bold: true, size: 15});
  drawing.box({x: 30, y: TOP, width: 90, height: HEIGHT}, 'X');
  drawing.words(140, TOP + HEIGHT / 2, '×', {size: 20});
  drawing
    .box({x: 160, y: TOP, width: 70, height: HEIGHT}, 'A₀', {rank: 0})
    .box({x: 232, y: TOP, width: 70, height: HEIGHT}, 'A₁', {rank: 1});
  drawing.words(324, TOP + HEIGHT / 2, '=', {size: 20});
  drawing
    .box({x: 346, y: TOP, width: 70, height: HEIGHT}, 'X A₀', {rank: 0})
    .box({x: 418, y: TOP, width: 70, height: HEIGHT}, 'X A₁', {rank: 1});
  return drawing.words(417, TOP + HEIGHT + 20, 'Y, in two parts', {faint: true, size: 13});
}

function rows(): Drawing {
  const half = HEIGHT / 2 - 1;
  const drawing = new Drawing(
    640,
    170,
    'Y is X times A, with A split by rows: rank 0 has the left columns of X and the upper rows of A, rank 1 the right columns and the lower rows; each computes a summand of the whole Y.',
  );
  drawing.words(20, 22, 'by rows', {anchor: 'start', bold: true, size: 15});
  drawing
    .box({x: 30, y: TOP, width: 56, height: HEIGHT}, 'X₀', {rank: 0})
    .box({x: 88, y: TOP, width: 56, height: HEIGHT}, 'X₁', {rank: 1});
  drawing.words(164, TOP + HEIGHT / 2, '×', {size: 20});
  drawing
    .box({x: 184, y: TOP, width: 110, height: half}, 'A₀', {rank: 0})
    .box({x: 184, y: TOP + half + 2, width: 110, height: half}, 'A₁', {rank: 1});
  drawing.words(316, TOP + HEIGHT / 2, '=', {size: 20});
  drawing.box({x: 338, y: TOP, width: 100, height: HEIGHT}, 'X₀ A₀', {rank: 0});
  drawing.words(458, TOP + HEIGHT / 2, '+', {size: 20});
  drawing.box({x: 478, y: TOP, width: 100, height: HEIGHT}, 'X₁ A₁', {rank: 1});
  return drawing.words(458, TOP + HEIGHT + 20, 'Y, as a sum', {faint: true, size: 13});
}

function pair(): Drawing {
  const drawing = new Drawing(
    760,
    214,
    'Two layers one after the other on two ranks: f gives X to both ranks. Each multiplies by its columns of A, applies ReLU to its own part and multiplies by its rows of B; g adds the two summands. Nothing is sent between f and g.',
  );
  drawing.words(20, 22, 'columns, then rows', {anchor: 'start', bold: true, size: 15});
  drawing
    .box({x: 20, y: 84, width: 56, height: 56}, 'X')
    .box({x: 104, y: 92, width: 40, height: 40}, 'f', {bold: true})
    .arrow([78, 112], [101, 112]);
  [0, 1].forEach((rank) => {
    const y = 46 + rank * 76;
    drawing.arrow([146, 112], [176, y + 28]);
    drawing
      .box({x: 180, y, width: 100, height: 56}, `X A${'₀₁'[rank]}`, {rank})
      .arrow([282, y + 28], [308, y + 28]);
    drawing
      .box({x: 312, y, width: 100, height: 56}, 'ReLU', {rank})
      .arrow([414, y + 28], [440, y + 28]);
    drawing
      .box({x: 444, y, width: 120, height: 56}, `· B${'₀₁'[rank]}`, {rank})
      .arrow([566, y + 28], [598, 112]);
  });
  drawing
    .box({x: 602, y: 92, width: 40, height: 40}, 'g', {bold: true})
    .arrow([644, 112], [668, 112])
    .box({x: 672, y: 84, width: 56, height: 56}, 'Z');
  return drawing.words(372, 204, 'each rank works on its own part; nothing is sent', {
    faint: true,
    size: 13,
  });
}

const CAPTIONS: Record<MatrixSplit, string> = {
  columns: 'By columns: each rank needs all of X and computes a part of Y.',
  rows: 'By rows: each rank needs a part of X and computes a summand of Y.',
  pair: 'Columns, then rows: the second layer takes the parts of the first as they are. One all-reduce, in g, completes the pair.',
};

/** Draws a matrix product that is split between two ranks. Throws BAD_OPTION for an unknown split. */
export function matrixDrawing(split: MatrixSplit): View {
  if (!SPLITS.includes(split))
    throw new ManyHandsError(
      'BAD_OPTION',
      `matrixDrawing: split must be ${oneOf(SPLITS as string[])}; it is ${shown(split)}.`,
    );
  return {columns, rows, pair}[split]().view(CAPTIONS[split]);
}
