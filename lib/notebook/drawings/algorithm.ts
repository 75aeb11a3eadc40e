/**
 * Draws a collective algorithm step by step, from the list of messages that the library runs.
 */
import {algorithmFor, type Step, type StepOperation} from '../../collectives/algorithms';
import {Drawing} from '../drawing';
import type {View} from '../view';
import {CELL, drawGrid, type GridCell} from './grid';

/** The ranks whose numbers are summed in one part of one rank. */
type Summands = ReadonlySet<number>;
/** By rank and part. */
type State = Summands[][];

/** The ranks whose numbers are in a part before the first step. */
const START: Record<StepOperation, (rank: number, part: number, root: number) => number[]> = {
  allReduce: (rank) => [rank],
  reduce: (rank) => [rank],
  reduceScatter: (rank) => [rank],
  allGather: (rank, part) => (rank === part ? [rank] : []),
  broadcast: (rank, _, root) => (rank === root ? [rank] : []),
};

/** The state after a step. */
interface Panel {
  state: State;
  /** The rank that sent a part in this step, by '<rank> <part>' of its receiver. */
  from: Map<string, number>;
}

function panelsOf(steps: readonly Step[], start: State): Panel[] {
  const panels: Panel[] = [{state: start, from: new Map()}];
  for (const step of steps) {
    const before = panels[panels.length - 1].state;
    const state = before.map((parts) => [...parts]);
    const from = new Map<string, number>();
    for (const message of step) {
      for (let part = message.first; part < message.last; part++) {
        const sent = before[message.from][part];
        state[message.to][part] =
          message.action === 'add' ? new Set([...before[message.to][part], ...sent]) : sent;
        from.set(`${message.to} ${part}`, message.from);
      }
    }
    panels.push({state, from});
  }
  return panels;
}

const MARGIN = 62;
const GAP = 26;
const MOST_WIDE = 760;

/**
 * Draws what each part of each rank holds after every step, as the numbers of the ranks in its sum.
 * A part that has just arrived has the colour of its sender. Throws BAD_OPTION when the operation
 * has no such algorithm.
 */
export function algorithmDrawing(operation: StepOperation, algorithm: string, ranks = 4): View {
  const root = 0;
  const steps = algorithmFor(operation, algorithm).steps(ranks, root);
  const start = Array.from({length: ranks}, (_, rank) =>
    Array.from(
      {length: ranks},
      (__, part): Summands => new Set(START[operation](rank, part, root)),
    ),
  );
  const panels = panelsOf(steps, start);
  const sums = operation !== 'allGather' && operation !== 'broadcast';
  const separator = ranks > 3 ? '' : '+';
  const words = (summands: Summands) =>
    sums && summands.size === ranks && ranks > 1
      ? 'all'
      : [...summands].sort((a, b) => a - b).join(separator);
  const isComplete = (summands: Summands) => (sums ? summands.size === ranks : summands.size > 0);
  const panelWidth = ranks * CELL.width + GAP;
  const perRow = Math.max(1, Math.floor((MOST_WIDE - MARGIN) / panelWidth));
  const rows = Math.ceil(panels.length / perRow);
  const rowHeight = ranks * CELL.height + 42;
  const complete = panels.map(({state}) => state.flat().filter(isComplete).length);
  const messages = steps.map((step) => step.length);
  const alt =
    `${operation} by '${algorithm}' on ${ranks} ranks, ${steps.length} steps with ${messages.join(', ')} messages. ` +
    `Parts that ${sums ? 'hold the whole sum' : 'have arrived'}, out of ${ranks * ranks}: ${complete.map((count, step) => `${count} ${step === 0 ? 'at the start' : `after step ${step}`}`).join(', ')}.`;
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
  panels.forEach(({state, from}, step) => {
    const x = MARGIN + (step % perRow) * panelWidth;
    const y = 66 + Math.floor(step / perRow) * rowHeight;
    drawing.words(x + (ranks * CELL.width) / 2, y - 14, step === 0 ? 'start' : `step ${step}`, {
      faint: true,
      size: 13,
    });
    const grid = state.map((parts, rank) =>
      parts.map(
        (summands, part): GridCell => ({
          words: words(summands),
          rank: from.get(`${rank} ${part}`) ?? null,
          bold: isComplete(summands),
        }),
      ),
    );
    drawGrid(drawing, x, y, grid, step % perRow === 0);
  });
  return drawing.view(
    `${operation} by '${algorithm}': a digit is a rank whose numbers are in that part${sums ? "; 'all' is the whole sum" : ''}. A coloured part has just arrived from the rank of that colour.`,
  );
}
