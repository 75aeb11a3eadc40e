/**
 * Draws what ranks hold as a grid: a row for each rank, a column for each part of the array.
 */
import type {Drawing} from '../drawing';

/** A part on a rank: its words, and the rank whose colour it has (null: no colour). */
export interface GridCell {
  words: string;
  rank: number | null;
  bold?: boolean;
}

export const CELL = {width: 36, height: 28} as const;

/**
 * Draws the rows with their upper left corner at (x, y); `labels` puts the rank before each row.
 */
export function drawGrid(
  drawing: Drawing,
  x: number,
  y: number,
  rows: readonly (readonly GridCell[])[],
  labels: boolean,
): void {
  rows.forEach((cells, row) => {
    const top = y + row * CELL.height;
    if (labels)
      drawing.words(x - 8, top + CELL.height / 2, `rank ${row}`, {
        anchor: 'end',
        size: 12,
        faint: true,
      });
    cells.forEach(({words, rank, bold}, column) => {
      const cell = {
        x: x + column * CELL.width,
        y: top,
        width: CELL.width - 3,
        height: CELL.height - 3,
      };
      drawing.box(cell, '', rank === null ? {dashed: words === ''} : {rank});
      drawing.words(cell.x + cell.width / 2, cell.y + cell.height / 2, words, {
        size: 12,
        bold,
        halo: rank !== null,
      });
    });
  });
}
