/**
 * Each collective as what four ranks hold before it and after it.
 */
import {ManyHandsError, oneOf, shown} from '../../base/errors';
import {Drawing} from '../drawing';
import type {View} from '../view';
import {CELL, drawGrid, type GridCell} from './grid';

const RANKS = 4;
const LETTERS = ['a', 'b', 'c', 'd'];

type Cells = (rank: number, part: number) => GridCell;

const empty: GridCell = {words: '', rank: null};
/** Rank `from`'s own number of a part. */
const own = (from: number, part: number): GridCell => ({
  words: `${LETTERS[from]}${part}`,
  rank: from,
});
const sum = (part: number): GridCell => ({words: `Σ${part}`, rank: null, bold: true});

/** The collectives that have a picture. */
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
    before: (rank, part) => (rank === 0 ? own(0, part) : empty),
    after: (_, part) => own(0, part),
  },
  reduce: {
    title: 'reduce',
    says: 'the sums stand on rank 0; the others keep what they have',
    before: own,
    after: (rank, part) => (rank === 0 ? sum(part) : own(rank, part)),
  },
  allReduce: {
    title: 'all-reduce',
    says: 'the sums stand on every rank',
    before: own,
    after: (_, part) => sum(part),
  },
  reduceScatter: {
    title: 'reduce-scatter',
    says: 'each rank has the sum of its own part alone',
    before: own,
    after: (rank, part) => (rank === part ? sum(part) : empty),
  },
  allGather: {
    title: 'all-gather',
    says: "each rank's part reaches every rank",
    before: (rank, part) => (rank === part ? own(rank, part) : empty),
    after: (_, part) => own(part, part),
  },
  allToAll: {
    title: 'all-to-all',
    says: "part s of every rank's array goes to rank s",
    before: own,
    after: (rank, part) => own(part, rank),
  },
};

const heard = ({words}: GridCell) => words || 'nothing';

/** Before and after, side by side. Throws BAD_OPTION for a name that is none. */
export function collectiveDrawing(name: CollectiveName): View {
  const found: Collective | undefined = COLLECTIVES[name];
  if (!found)
    throw new ManyHandsError(
      'BAD_OPTION',
      `collectiveDrawing: there is no collective ${shown(name)}; there are ${oneOf(Object.keys(COLLECTIVES))}.`,
    );
  const {title, says, before, after} = found;
  const grid = (cells: Cells) =>
    Array.from({length: RANKS}, (_, rank) =>
      Array.from({length: RANKS}, (__, part) => cells(rank, part)),
    );
  const rows = (cells: Cells) =>
    grid(cells)
      .map((row, rank) => `rank ${rank}: ${row.map(heard).join(' ')}`)
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
