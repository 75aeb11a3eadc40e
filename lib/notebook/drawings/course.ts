/**
 * Drawings of the introduction: the puzzle, the limits of one machine, the two ways to share the
 * work, and the map of the course.
 */
import {Drawing} from '../drawing';
import type {View} from '../view';

/** Pieces across and down, and pixels of a piece each way. */
const PUZZLE = {columns: 6, rows: 4, piece: 34} as const;
const PUZZLE_WIDTH = PUZZLE.columns * PUZZLE.piece;

/**
 * Draws a puzzle of 24 pieces that one pair of hands lays, and the same puzzle shared by `hands`
 * pairs of hands (1 to 8, default 4).
 */
export function puzzleDrawing(hands = 4): View {
  const words =
    `Two jigsaw puzzles of ${PUZZLE.columns * PUZZLE.rows} pieces. On the left one pair of hands lays every piece. ` +
    `On the right ${hands} pairs of hands lay the same puzzle, each its own share, and then join what they have.`;
  const drawing = new Drawing(660, 270, words);
  const left = {x: 50, y: 62};
  const right = {x: 376, y: 62};
  drawing.words(left.x + PUZZLE_WIDTH / 2, 28, 'alone', {bold: true, size: 16});
  drawing.words(right.x + PUZZLE_WIDTH / 2, 28, 'many hands', {bold: true, size: 16});
  lay(drawing, left, (column, row) => (row * PUZZLE.columns + column < 9 ? 0 : undefined));
  lay(drawing, right, (column, row) => shareOf(row * PUZZLE.columns + column, hands));
  drawing.arrow([283, 130], [347, 130]).words(315, 112, 'share', {size: 13});
  drawing.hand(left.x + PUZZLE_WIDTH / 2, 222, 0);
  drawing.words(left.x + PUZZLE_WIDTH / 2, 252, 'piece after piece', {faint: true, size: 13});
  const room = PUZZLE_WIDTH / hands;
  for (let rank = 0; rank < hands; rank++)
    drawing.hand(right.x + (rank + 0.5) * room, 222, rank, Math.min(15, room * 0.44));
  drawing.words(right.x + PUZZLE_WIDTH / 2, 252, 'each its share, all at once', {
    faint: true,
    size: 13,
  });
  return drawing.view(
    'One puzzle, laid alone and laid by many hands. A number and a pattern say whose piece it is.',
  );
}

function shareOf(index: number, hands: number): number {
  return Math.floor((index * hands) / (PUZZLE.columns * PUZZLE.rows));
}

function lay(
  drawing: Drawing,
  {x, y}: {x: number; y: number},
  owner: (column: number, row: number) => number | undefined,
): void {
  for (let row = 0; row < PUZZLE.rows; row++) {
    for (let column = 0; column < PUZZLE.columns; column++) {
      // A tab meets its neighbour's hole: tabs and holes alternate like the fields of a chessboard.
      const out = (row + column) % 2 === 0 ? 1 : -1;
      const tabs = [
        row === 0 ? 0 : out,
        column === PUZZLE.columns - 1 ? 0 : -out,
        row === PUZZLE.rows - 1 ? 0 : out,
        column === 0 ? 0 : -out,
      ] as const;
      drawing.piece(
        {
          x: x + column * PUZZLE.piece,
          y: y + row * PUZZLE.piece,
          width: PUZZLE.piece,
          height: PUZZLE.piece,
        },
        tabs,
        owner(column, row),
      );
    }
  }
}

/** Draws the three ways in which one machine is not enough: too slow, error-prone, too small. */
export function oneMachineDrawing(): View {
  const drawing = new Drawing(
    660,
    236,
    'One machine is not enough for three reasons. Slow: a long queue of data waits for one worker. Error-prone by hand: one share of the data is used twice ' +
      'and another never, and nobody notices. Not enough memory: the model is taller than the memory that should hold it.',
  );
  const middles = [118, 330, 542] as const;
  ['slow', 'error-prone by hand', 'not enough memory'].forEach((words, i) =>
    drawing.words(middles[i], 28, words, {bold: true, size: 16}),
  );
  for (let i = 0; i < 5; i++) drawing.box({x: 26 + i * 22, y: 100, width: 18, height: 44});
  drawing.arrow([140, 122], [160, 122]).hand(184, 122, 0);
  drawing.words(118, 204, 'one after the other', {faint: true, size: 13});
  ['A', 'B', 'B', 'D'].forEach((share, i) =>
    drawing.box({x: 258 + i * 38, y: 100, width: 32, height: 44}, share, {
      dashed: i === 2,
      bold: i === 2,
    }),
  );
  drawing.words(350, 82, 'B again: C is never read', {size: 13});
  drawing.words(330, 204, 'nothing tells you', {faint: true, size: 13});
  drawing.box({x: 482, y: 120, width: 120, height: 60}, '');
  drawing.box({x: 496, y: 62, width: 92, height: 112}, 'model,\ngradients,\noptimizer', {rank: 1});
  drawing.words(542, 204, 'more than the memory holds', {faint: true, size: 13});
  return drawing.view('Three reasons why one machine is not enough.');
}

const layers = ['layer 1', 'layer 2', 'layer 3'];

/** Draws data parallelism: each of three workers has the whole model and a third of the data. */
export function dataParallelDrawing(): View {
  const drawing = new Drawing(
    660,
    300,
    'Data parallelism. The data is split into three parts. Three workers each hold a copy of the whole model, with its three layers, and take one part. ' +
      'Their gradients are averaged over all workers, so that the copies stay the same.',
  );
  drawing.words(24, 26, 'Data parallelism: copy the model, split the data', {
    bold: true,
    size: 16,
    anchor: 'start',
  });
  drawing.words(64, 62, 'data', {faint: true});
  for (let rank = 0; rank < 3; rank++) {
    const x = 160 + rank * 166;
    drawing.box({x: 24, y: 78 + rank * 54, width: 80, height: 46}, `part ${rank}`, {rank});
    drawing.words(x + 60, 62, `worker ${rank}`, {bold: true});
    drawing.box({x, y: 78, width: 120, height: 160}, '', {rank});
    layers.forEach((layer, i) =>
      drawing.box({x: x + 14, y: 90 + i * 49, width: 92, height: 38}, layer),
    );
    drawing.words(x + 60, 278, `reads part ${rank}`, {faint: true, size: 13});
    if (rank > 0) drawing.arrow([x - 42, 158], [x - 4, 158], {both: true});
  }
  drawing.words(386, 254, 'average the gradients', {size: 13});
  return drawing.view(
    'Data parallelism: every worker has the whole model and its own part of the data.',
  );
}

/**
 * Draws model parallelism by layers: each of three workers has one layer, and all data passes
 * through all of them.
 */
export function modelParallelDrawing(): View {
  const drawing = new Drawing(
    660,
    230,
    'Model parallelism, split by layers. The model is split: worker 0 holds layer 1, worker 1 holds layer 2, worker 2 holds layer 3. ' +
      'All the data goes into worker 0, and what each worker computes goes on to the next.',
  );
  drawing.words(24, 26, 'Model parallelism: split the model, pass all data through', {
    bold: true,
    size: 16,
    anchor: 'start',
  });
  drawing.words(64, 62, 'data', {faint: true});
  drawing.box({x: 24, y: 78, width: 80, height: 100}, 'all\nsamples');
  layers.forEach((layer, rank) => {
    const x = 180 + rank * 160;
    drawing.arrow([x - (rank === 0 ? 72 : 36), 128], [x - 4, 128]);
    drawing.words(x + 60, 62, `worker ${rank}`, {bold: true});
    drawing.box({x, y: 78, width: 120, height: 100}, '', {rank});
    drawing.box({x: x + 14, y: 109, width: 92, height: 38}, layer);
  });
  drawing.words(400, 204, 'each passes on its results; all samples visit every worker', {
    faint: true,
    size: 13,
  });
  return drawing.view(
    'Model parallelism: every worker has its own part of the model, and all data passes through all of them.',
  );
}

/** A notebook on the map. */
interface Stop {
  /** The number of the notebook: '00', '01' and so on. */
  id: string;
  title: string;
  /** Whether the notebook exists; one that does not is dashed and marked 'to come'. @default true */
  ready?: boolean;
}

/** A part of the course: a row of the map. */
export interface Part {
  name: string;
  stops: readonly Stop[];
}

const STOP = {width: 148, height: 62} as const;
/** The distance between two stops. */
const STEP = {x: 172, y: 126} as const;

/**
 * Draws the map of the course: a row for each part, with arrows from notebook to notebook and the
 * notebook `here` marked. Titles break at spaces; three lines fit a box.
 */
export function courseMapDrawing(parts: readonly Part[], here?: string): View {
  const widest = Math.max(...parts.map(({stops}) => stops.length));
  const stopWords = ({id, title, ready}: Stop) =>
    `${id} ${title}${id === here ? ' (you are here)' : ''}${ready === false ? ' (to come)' : ''}`;
  const words = parts
    .map(({name, stops}) => `${name}: ${stops.map(stopWords).join(', ')}`)
    .join('. ');
  const drawing = new Drawing(
    48 + widest * STEP.x - 24,
    24 + parts.length * STEP.y,
    `Map of the course. ${words}.`,
  );
  parts.forEach(({name, stops}, row) => {
    const y = 58 + row * STEP.y;
    drawing.words(24, y - 34, name, {bold: true, anchor: 'start'});
    stops.forEach(({id, title, ready}, column) => {
      const x = 24 + column * STEP.x;
      drawing.box({x, y, ...STOP}, inLines(`${id} ${title}`), {
        dashed: ready === false,
        rank: id === here ? 0 : undefined,
        bold: id === here,
      });
      if (column > 0)
        drawing.arrow(
          [x - (STEP.x - STOP.width) + 2, y + STOP.height / 2],
          [x - 3, y + STOP.height / 2],
        );
      if (id === here)
        drawing.words(x + STOP.width - 2, y - 12, 'you are here', {anchor: 'end', size: 12});
      else if (ready === false)
        drawing.words(x + STOP.width - 2, y - 12, 'to come', {
          anchor: 'end',
          size: 12,
          faint: true,
        });
    });
  });
  return drawing.view('The notebooks in reading order.');
}

/** Breaks a title into lines of at most 17 letters. */
function inLines(title: string): string {
  const lines: string[] = [];
  for (const word of title.split(' ')) {
    const last = lines[lines.length - 1];
    if (last !== undefined && `${last} ${word}`.length <= 17)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.join('\n');
}
