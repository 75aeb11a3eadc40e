/**
 * A textbook algorithm step by step, from the very list of messages that runs.
 */
import {algorithmFor, type Step, type StepOperation} from '../../collectives/algorithms';
import {Drawing} from '../drawing';
import type {View} from '../view';
import {CELL, drawGrid, type GridCell} from './grid';

/** The ranks whose numbers are in a part on a rank. */
type Holding = ReadonlySet<number>;
type Holdings = Holding[][];

const START: Record<StepOperation, (rank: number, part: number, root: number) => number[]> = {
  allReduce: (rank) => [rank],
  reduce: (rank) => [rank],
  reduceScatter: (rank) => [rank],
  allGather: (rank, part) => (rank === part ? [rank] : []),
  broadcast: (rank, _, root) => (rank === root ? [rank] : []),
};

interface Panel {
  holdings: Holdings;
  /** The rank from which a part came in this step. */
  from: Map<string, number>;
}

function play(steps: readonly Step[], start: Holdings): Panel[] {
  const panels: Panel[] = [{holdings: start, from: new Map()}];
  for (const step of steps) {
    const before = panels[panels.length - 1].holdings;
    const holdings = before.map((parts) => [...parts]);
    const from = new Map<string, number>();
    for (const message of step) {
      for (let part = message.first; part < message.last; part++) {
        const sent = before[message.from][part];
        holdings[message.to][part] =
          message.action === 'add' ? new Set([...before[message.to][part], ...sent]) : sent;
        from.set(`${message.to} ${part}`, message.from);
      }
    }
    panels.push({holdings, from});
  }
  return panels;
}

const MARGIN = 62;
const GAP = 26;
const MOST_WIDE = 760;

/**
 * What each rank's parts hold after each step: the numbers of the ranks that are in the sum. A part
 * that just arrived has the colour of the rank that sent it. Throws BAD_OPTION for an operation and
 * algorithm that do not exist together.
 */
export function algorithmDrawing(operation: StepOperation, algorithm: string, ranks = 4): View {
  const root = 0;
  const steps = algorithmFor(operation, algorithm).steps(ranks, root);
  const start = Array.from({length: ranks}, (_, rank) =>
    Array.from({length: ranks}, (__, part): Holding => new Set(START[operation](rank, part, root))),
  );
  const panels = play(steps, start);
  const sums = operation !== 'allGather' && operation !== 'broadcast';
  const words = (held: Holding) =>
    sums && held.size === ranks && ranks > 1
      ? 'all'
      : [...held].sort((a, b) => a - b).join(ranks > 3 ? '' : '+');
  const done = (held: Holding) => (sums ? held.size === ranks : held.size > 0);
  const panelWidth = ranks * CELL.width + GAP;
  const perRow = Math.max(1, Math.floor((MOST_WIDE - MARGIN) / panelWidth));
  const rows = Math.ceil(panels.length / perRow);
  const rowHeight = ranks * CELL.height + 42;
  const complete = panels.map(({holdings}) => holdings.flat().filter(done).length);
  const messages = steps.map((step) => step.length);
  const alt =
    `${operation} by '${algorithm}' on ${ranks} ranks, ${steps.length} steps with ${messages.join(', ')} messages. ` +
    `Parts that are ${sums ? 'the whole sum' : 'there'}, of ${ranks * ranks}: ${complete.map((count, at) => `${at === 0 ? 'at the start' : `after step ${at}`} ${count}`).join(', ')}.`;
  const drawing = new Drawing(
    MARGIN + Math.min(perRow, panels.length) * panelWidth,
    44 + rows * rowHeight,
    alt,
  );
  drawing.words(16, 22, `${operation}, '${algorithm}', ${ranks} ranks`, {
    anchor: 'start',
    bold: true,
    size: 15,
  });
  panels.forEach(({holdings, from}, at) => {
    const x = MARGIN + (at % perRow) * panelWidth;
    const y = 66 + Math.floor(at / perRow) * rowHeight;
    drawing.words(x + (ranks * CELL.width) / 2, y - 14, at === 0 ? 'start' : `step ${at}`, {
      faint: true,
      size: 13,
    });
    const grid = holdings.map((parts, rank) =>
      parts.map(
        (held, part): GridCell => ({
          words: words(held),
          rank: from.get(`${rank} ${part}`) ?? null,
          bold: done(held),
        }),
      ),
    );
    drawGrid(drawing, x, y, grid, at % perRow === 0);
  });
  return drawing.view(
    `${operation} by '${algorithm}': a digit is a rank whose numbers are in that part${sums ? "; 'all' is the whole sum" : ''}. A coloured part has just come from the rank of that colour.`,
  );
}
