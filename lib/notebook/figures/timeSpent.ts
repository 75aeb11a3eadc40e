/**
 * Bars of the time of a step by kind of span: forward, backward, update, input and so on.
 */
import type {Data} from 'plotly.js';
import {ManyHandsError} from '../../base/errors';
import type {Span, SpanKind} from '../../trace/spans';
import {Figure} from '../figure';
import {formatSeconds} from '../../base/format';
import {kindStyles, paper} from '../palette';

/**
 * Draws the time that each kind of span takes in a step, as the mean over steps and ranks. Returns
 * the figure with a table of wall and CPU seconds. Throws BAD_DATA for a trace without spans.
 */
export function timeSpentFigure(
  trace: {spans: readonly Span[]},
  title = 'Where the time of a step goes',
): Figure {
  const {spans} = trace;
  if (spans.length === 0)
    throw new ManyHandsError(
      'BAD_DATA',
      'timeSpentFigure: the trace has no spans; train with trace: true.',
    );
  const steps = new Set(spans.map(({rank, step}) => `${rank} ${step}`)).size;
  const total = spans.reduce((sum, span) => sum + span.wallSeconds, 0);
  const rows = (Object.keys(kindStyles) as SpanKind[]).flatMap((kind) => {
    const ofKind = spans.filter((span) => span.kind === kind);
    if (ofKind.length === 0) return [];
    const wall = ofKind.reduce((sum, span) => sum + span.wallSeconds, 0);
    return [
      {
        kind,
        wall: wall / steps,
        cpu: ofKind.reduce((sum, span) => sum + span.cpuSeconds, 0) / steps,
        share: (100 * wall) / total,
      },
    ];
  });
  const words = (row: (typeof rows)[number]): string =>
    `${formatSeconds(row.wall)} (${row.share.toFixed(0)} %)`;
  const data: Partial<Data>[] = [
    {
      type: 'bar',
      orientation: 'h',
      y: rows.map(({kind}) => kindStyles[kind].label),
      x: rows.map(({wall}) => wall * 1000),
      text: rows.map(words),
      textposition: 'outside',
      cliponaxis: false,
      marker: {
        color: rows.map(({kind}) => kindStyles[kind].fill),
        line: {color: rows.map(({kind}) => kindStyles[kind].edge), width: 1.5},
        pattern: {
          shape: rows.map(({kind}) => kindStyles[kind].pattern),
          fgcolor: rows.map(({kind}) => kindStyles[kind].edge),
          size: 7,
          solidity: 0.25,
          fillmode: 'overlay',
        },
      },
      hoverinfo: 'skip',
      showlegend: false,
    } as Partial<Data>,
  ];
  const most = rows.reduce((a, b) => (b.wall > a.wall ? b : a));
  return new Figure({
    title,
    alt: `Bar chart of the time of a step, the mean of ${steps}: ${rows.map((row) => `${kindStyles[row.kind].label} ${words(row)}`).join(', ')}. The most time goes into ${kindStyles[most.kind].label}.`,
    data,
    layout: {
      height: 130 + 44 * rows.length,
      xaxis: {
        title: {text: 'milliseconds per step'},
        rangemode: 'tozero',
        range: [0, 1250 * Math.max(...rows.map(({wall}) => wall))],
      },
      yaxis: {autorange: 'reversed', gridcolor: paper.card},
    },
    table: {
      rows: rows.map(({kind, wall, cpu, share}) => ({
        kind: kindStyles[kind].label,
        wall,
        cpu,
        share: Number(share.toFixed(1)),
      })),
      columns: {
        kind: 'kind',
        wall: 'wall time per step',
        cpu: 'CPU time per step',
        share: 'share',
      },
      units: {wall: 'seconds', cpu: 'seconds', share: '%'},
    },
  });
}
