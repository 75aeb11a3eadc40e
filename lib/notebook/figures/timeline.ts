/**
 * Timelines of ranks: a row for each rank, a bar for each span.
 */
import type {Data, Layout} from 'plotly.js';
import {ManyHandsError} from '../../base/errors';
import {anObject, aString, readOptions, type OptionTable} from '../../base/options';
import type {Span, SpanKind} from '../../trace/spans';
import {Figure} from '../figure';
import {formatSeconds} from '../../base/format';
import {kindStyles, paper, rankStyle} from '../palette';

/** How `timelineFigure` draws a trace. */
export interface TimelineOptions {
  /** @default 'What each rank did, and when' */
  title?: string;
  /** Only the steps from `from` up to, not including, `to`. @default all */
  steps?: {from: number; to: number};
}

const OPTIONS: OptionTable<TimelineOptions> = {'title?': aString, 'steps?': anObject};

/**
 * Draws the spans of a trace, or only those of the steps from `from` up to but not including `to`.
 * Returns the figure with a table of seconds by rank and kind. Throws BAD_DATA if there are none.
 */
export function timelineFigure(
  trace: {spans: readonly Span[]},
  options: TimelineOptions = {},
): Figure {
  const {title = 'What each rank did, and when', steps} = readOptions(
    'timelineFigure',
    options,
    OPTIONS,
  );
  const spans = trace.spans.filter(({step}) => !steps || (step >= steps.from && step < steps.to));
  if (spans.length === 0)
    throw new ManyHandsError(
      'BAD_DATA',
      `timelineFigure: the trace has no spans${steps ? ` of the steps ${steps.from} to ${steps.to - 1}` : '; train with trace: true'}.`,
    );
  const ranks = [...new Set(spans.map(({rank}) => rank))].sort((a, b) => a - b);
  // A trace may hold only some ranks of a mesh; their rows are consecutive.
  const rowOf = new Map(ranks.map((rank, row) => [rank, row]));
  const zero = spans.reduce((first, {start}) => Math.min(first, start), Infinity);
  const length =
    spans.reduce((last, {start, wallSeconds}) => Math.max(last, start + wallSeconds), 0) - zero;
  const kinds = (Object.keys(kindStyles) as SpanKind[]).filter((kind) =>
    spans.some((span) => span.kind === kind),
  );
  const total = (rank: number, kind: SpanKind): number =>
    spans
      .filter((span) => span.rank === rank && span.kind === kind)
      .reduce((sum, span) => sum + span.wallSeconds, 0);
  // With several micro-batches, each bar shows the number of its own.
  const numbered = spans.some(({name}) => name.startsWith('micro-batch 2'));
  const spanSeconds = spans.reduce((sum, span) => sum + span.wallSeconds, 0);
  const shares = kinds.map(
    (kind) =>
      `${kindStyles[kind].label} ${((100 * ranks.reduce((sum, rank) => sum + total(rank, kind), 0)) / spanSeconds).toFixed(0)} %`,
  );
  return new Figure({
    title,
    alt: `Timeline of ${ranks.length === 1 ? 'one rank' : `${ranks.length} ranks`} over ${formatSeconds(length)}. Of all its spans' time: ${shares.join(', ')}.`,
    data: kinds.map((kind) =>
      bars(
        kind,
        spans.filter((span) => span.kind === kind),
        rowOf,
        zero,
        length,
        barPlace(kind, kinds.includes('communication')),
        numbered,
      ),
    ),
    layout: {
      height: 170 + 48 * ranks.length,
      barmode: 'overlay',
      bargap: 0.3,
      xaxis: {
        title: {text: 'milliseconds'},
        range: [-0.02 * length * 1000, length * 1010],
        zeroline: false,
      },
      yaxis: {
        autorange: 'reversed',
        tickvals: ranks.map((_, row) => row),
        ticktext: ranks.map((rank) => `rank ${rank}  `),
        showgrid: false,
      },
      shapes: ranks.flatMap(rankMark),
    },
    table: {
      rows: ranks.map((rank) => ({
        rank,
        ...Object.fromEntries(kinds.map((kind) => [kindStyles[kind].label, total(rank, kind)])),
      })),
      units: Object.fromEntries(kinds.map((kind) => [kindStyles[kind].label, 'seconds'])),
    },
  });
}

/**
 * The height and offset of bars: communication, which a second thread does, has a narrow row under
 * the other spans of the rank.
 */
function barPlace(kind: SpanKind, hasCommunication: boolean): {width: number; offset: number} {
  if (!hasCommunication) return {width: 0.7, offset: -0.35};
  return kind === 'communication' ? {width: 0.24, offset: 0.16} : {width: 0.5, offset: -0.36};
}

function bars(
  kind: SpanKind,
  spans: readonly Span[],
  rowOf: ReadonlyMap<number, number>,
  zero: number,
  length: number,
  place: {width: number; offset: number},
  numbered: boolean,
): Partial<Data> {
  const look = kindStyles[kind];
  return {
    type: 'bar',
    orientation: 'h',
    ...place,
    name: `${look.letter} ${look.label}`,
    y: spans.map(({rank}) => rowOf.get(rank)!),
    base: spans.map(({start}) => (start - zero) * 1000),
    x: spans.map(({wallSeconds}) => wallSeconds * 1000),
    // A letter if there is room for it; the legend explains the letters.
    text: spans.map(({wallSeconds, name}) =>
      wallSeconds > length / 40
        ? look.letter + (numbered ? (/^micro-batch (\d+)/.exec(name)?.[1] ?? '') : '')
        : '',
    ),
    textposition: 'inside',
    insidetextanchor: 'middle',
    textangle: 0,
    textfont: {color: paper.ink},
    constraintext: 'none',
    marker: {
      color: look.fill,
      line: {color: look.edge, width: 1},
      pattern: {
        shape: look.pattern,
        fgcolor: look.edge,
        size: 7,
        solidity: 0.2,
        fillmode: 'overlay',
      },
    },
    hovertext: spans.map(
      ({rank, step, name, wallSeconds}) =>
        `rank ${rank}, step ${step}: ${look.label} ${name}, ${formatSeconds(wallSeconds)}`,
    ),
    hoverinfo: 'text',
  } as Partial<Data>;
}

/** A mark in the rank's colour left of its row, as in the other figures. */
function rankMark(rank: number, row: number): Partial<Layout>['shapes'] & object {
  return [
    {
      type: 'rect',
      xref: 'paper',
      yref: 'y',
      x0: -0.008,
      x1: -0.001,
      y0: row - 0.35,
      y1: row + 0.35,
      fillcolor: rankStyle(rank).color,
      line: {width: 0},
    },
  ];
}
