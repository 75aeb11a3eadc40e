/**
 * What ranks hold, as a grid in a drawing: a row a rank, a column a part of the array.
 */
import type {Drawing} from '../drawing';

/** One part on one rank: its words, and the rank whose colour it has, or null for paper. */
export interface GridCell {
  words: string;
  rank: number | null;
  bold?: boolean;
}

export const CELL = {width: 36, height: 28} as const;

/**
 * Draws the rows with their upper left corner at (x, y); `labels` puts each rank's number before
 * its row.
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
      const place = {
        x: x + column * CELL.width,
        y: top,
        width: CELL.width - 3,
        height: CELL.height - 3,
      };
      drawing.box(place, '', rank === null ? {dashed: words === ''} : {rank});
      drawing.words(place.x + place.width / 2, place.y + place.height / 2, words, {
        size: 12,
        bold,
        halo: rank !== null,
      });
    });
  });
}
