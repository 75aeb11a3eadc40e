/**
 * Draws what four ranks hold before and after each collective.
 */
import {ManyHandsError, oneOf, shown} from '../../base/errors';
import {Drawing} from '../drawing';
import type {View} from '../view';
import {CELL, drawGrid, type GridCell} from './grid';

const RANKS = 4;
const LETTERS = ['a', 'b', 'c', 'd'];

type Cells = (rank: number, part: number) => GridCell;

const empty: GridCell = {words: '', rank: null};
/** The number that rank `from` has for a part. */
const numberOf = (from: number, part: number): GridCell => ({
  words: `${LETTERS[from]}${part}`,
  rank: from,
});
const sum = (part: number): GridCell => ({words: `Σ${part}`, rank: null, bold: true});

/** The collectives that have a drawing. */
export type CollectiveName =
  | 'broadcast'
  | 'reduce'
  | 'allReduce'
  | 'reduceScatter'
  | 'allGather'
  | 'allToAll';

interface Collective {
  title: string;
  says: string;
  before: Cells;
  after: Cells;
}

const COLLECTIVES: Record<CollectiveName, Collective> = {
  broadcast: {
    title: 'broadcast',
    says: "rank 0's array reaches every rank",
    before: (rank, part) => (rank === 0 ? numberOf(0, part) : empty),
    after: (_, part) => numberOf(0, part),
  },
  reduce: {
    title: 'reduce',
    says: 'rank 0 gets the sums; the others keep what they have',
    before: numberOf,
    after: (rank, part) => (rank === 0 ? sum(part) : numberOf(rank, part)),
  },
  allReduce: {
    title: 'all-reduce',
    says: 'every rank gets the sums',
    before: numberOf,
    after: (_, part) => sum(part),
  },
  reduceScatter: {
    title: 'reduce-scatter',
    says: 'each rank gets only the sum of its own part',
    before: numberOf,
    after: (rank, part) => (rank === part ? sum(part) : empty),
  },
  allGather: {
    title: 'all-gather',
    says: "each rank's part reaches every rank",
    before: (rank, part) => (rank === part ? numberOf(rank, part) : empty),
    after: (_, part) => numberOf(part, part),
  },
  allToAll: {
    title: 'all-to-all',
    says: "part s of every rank's array goes to rank s",
    before: numberOf,
    after: (rank, part) => numberOf(part, rank),
  },
};

const wordsOf = ({words}: GridCell) => words || 'nothing';

/**
 * Draws what four ranks hold before and after a collective, side by side. Throws BAD_OPTION for an
 * unknown name.
 */
export function collectiveDrawing(name: CollectiveName): View {
  const collective: Collective | undefined = COLLECTIVES[name];
  if (!collective)
    throw new ManyHandsError(
      'BAD_OPTION',
      `collectiveDrawing: there is no collective ${shown(name)}; the names are ${oneOf(Object.keys(COLLECTIVES))}.`,
    );
  const {title, says, before, after} = collective;
  const grid = (cells: Cells) =>
    Array.from({length: RANKS}, (_, rank) =>
      Array.from({length: RANKS}, (__, part) => cells(rank, part)),
    );
  const rows = (cells: Cells) =>
    grid(cells)
      .map((row, rank) => `rank ${rank}: ${row.map(wordsOf).join(' ')}`)
      .join('; ');
  const drawing = new Drawing(
    560,
    190,
    `${title} on four ranks: ${says}. Before: ${rows(before)}. After: ${rows(after)}.`,
  );
  drawing.words(20, 24, title, {anchor: 'start', bold: true, size: 15});
  const width = RANKS * CELL.width;
  for (const [x, words, cells] of [
    [76, 'before', before],
    [374, 'after', after],
  ] as const) {
    drawing.words(x + width / 2, 52, words, {faint: true, size: 13});
    drawGrid(drawing, x, 66, grid(cells), true);
  }
  drawing.arrow([236, 122], [300, 122]);
  return drawing.view(`${title}: ${says}.`);
}
