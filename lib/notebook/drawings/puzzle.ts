/**
 * The puzzle: one pair of hands against many.
 */
import {Drawing} from '../drawing';
import type {View} from '../view';

const columns = 6;
const rows = 4;
const piece = 34;

/**
 * One pair of hands with 24 pieces, and the same 24 shared by `hands` pairs of hands (1 to 8,
 * default 4).
 */
export function puzzleDrawing(hands = 4): View {
  const words =
    `Two jigsaw puzzles of ${columns * rows} pieces. On the left one pair of hands lays every piece. ` +
    `On the right ${hands} pairs of hands lay the same puzzle, each its own share, and then join what they have.`;
  const drawing = new Drawing(660, 270, words);
  const left = {x: 50, y: 62};
  const right = {x: 376, y: 62};
  drawing.words(left.x + (columns * piece) / 2, 28, 'alone', {bold: true, size: 16});
  drawing.words(right.x + (columns * piece) / 2, 28, 'many hands', {bold: true, size: 16});
  lay(drawing, left, (column, row) => (row * columns + column < 9 ? 0 : undefined));
  lay(drawing, right, (column, row) => shareOf(row * columns + column, hands));
  drawing.arrow([283, 130], [347, 130]).words(315, 112, 'share', {size: 13});
  drawing.hand(left.x + (columns * piece) / 2, 222, 0);
  drawing.words(left.x + (columns * piece) / 2, 252, 'piece after piece', {faint: true, size: 13});
  const room = (columns * piece) / hands;
  for (let rank = 0; rank < hands; rank++)
    drawing.hand(right.x + (rank + 0.5) * room, 222, rank, Math.min(15, room * 0.44));
  drawing.words(right.x + (columns * piece) / 2, 252, 'each its share, all at once', {
    faint: true,
    size: 13,
  });
  return drawing.view(
    'One puzzle, laid alone and laid by many hands. A number and a pattern say whose piece it is.',
  );
}

function shareOf(index: number, hands: number): number {
  return Math.floor((index * hands) / (columns * rows));
}

function lay(
  drawing: Drawing,
  {x, y}: {x: number; y: number},
  owner: (column: number, row: number) => number | undefined,
): void {
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      // A tab to the right and below meets the neighbour's hole; which way round changes like a
      // chessboard.
      const out = (row + column) % 2 === 0 ? 1 : -1;
      const tabs = [
        row === 0 ? 0 : out,
        column === columns - 1 ? 0 : -out,
        row === rows - 1 ? 0 : out,
        column === 0 ? 0 : -out,
      ] as const;
      drawing.piece(
        {x: x + column * piece, y: y + row * piece, width: piece, height: piece},
        tabs,
        owner(column, row),
      );
    }
  }
}
