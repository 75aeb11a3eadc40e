/**
 * Stacked bars of memory by category: an estimate, or what ranks held at their peak.
 */
import type {Data} from 'plotly.js';
import {ManyHandsError} from '../../base/errors';
import {aString, listOf, positiveNumber, readOptions, type OptionTable} from '../../base/options';
import {formatBytes} from '../../base/units';
import type {ByCategory, Category} from '../../memory';
import {Figure} from '../figure';
import {paper, rankStyle} from '../palette';

/** A stacked bar. */
export interface MemoryBar {
  /** The label under the bar; 'fsdp: rank 0' takes two lines. */
  name: string;
  /** Bytes by category, from an estimate or from `result.memory`. */
  byCategory: Partial<ByCategory> | null;
}

/** The bars, and a limit to compare them with. */
export interface MemoryOptions {
  title: string;
  bars: readonly MemoryBar[];
  /** A limit in bytes, drawn as a labelled line. */
  limit?: number;
}

const OPTIONS: OptionTable<MemoryOptions> = {
  title: aString,
  bars: listOf('bars'),
  'limit?': positiveNumber('bytes'),
};

/** From the bottom: categories that stay from step to step, then those that come and go. */
const ORDER: readonly Category[] = [
  'parameters',
  'gradients',
  'optimizer',
  'gathered',
  'communication',
  'activations',
  'temporary',
];
const WORDS: Record<Category, string> = {
  parameters: 'parameters',
  gradients: 'gradients',
  optimizer: "optimizer's state",
  activations: 'activations',
  gathered: 'gathered weights',
  communication: 'communication buffers',
  temporary: 'temporary',
};

/** The unit of an axis up to `bytes`. */
function scaleOf(bytes: number): {unit: string; by: number} {
  if (bytes >= 1e9) return {unit: 'GB', by: 1e9};
  return bytes >= 1e6 ? {unit: 'MB', by: 1e6} : {unit: 'kB', by: 1e3};
}

/**
 * Draws stacked bars of memory by category. Returns the figure with a table of its numbers, in
 * bytes. Throws BAD_DATA without bars, or for a bar without bytes.
 */
export function memoryFigure(options: MemoryOptions): Figure {
  const {title, bars, limit} = readOptions('memoryFigure', options, OPTIONS);
  if (bars.length === 0) throw new ManyHandsError('BAD_DATA', 'memoryFigure: no bars were given.');
  const rows = bars.map(({name, byCategory}) => {
    if (!byCategory)
      throw new ManyHandsError(
        'BAD_DATA',
        `memoryFigure: '${name}' has no bytes by category; a run that creates no tensor has none.`,
      );
    const parts = ORDER.map((category) => byCategory[category] ?? 0);
    return {name, parts, total: parts.reduce((sum, bytes) => sum + bytes, 0)};
  });
  const shown = ORDER.map((category, i) => ({category, i})).filter(({i}) =>
    rows.some(({parts}) => parts[i] > 0),
  );
  const highest = Math.max(limit ?? 0, ...rows.map(({total}) => total));
  const scale = scaleOf(highest);
  const data = shown.map(({category, i}): Partial<Data> => {
    const {color, pattern} = rankStyle(i);
    return {
      type: 'bar',
      name: WORDS[category],
      x: rows.map(({name}) => name),
      y: rows.map(({parts}) => parts[i] / scale.by),
      marker: {
        color,
        pattern: {
          shape: pattern,
          size: 8,
          solidity: 0.25,
          fgcolor: paper.card,
          fillmode: 'overlay',
        },
        line: {color: paper.card, width: 1},
      },
      hoverinfo: 'skip',
    } as Partial<Data>;
  });
  const line =
    limit === undefined
      ? []
      : [
          {
            type: 'line',
            xref: 'paper',
            x0: 0,
            x1: 1,
            y0: limit / scale.by,
            y1: limit / scale.by,
            line: {color: paper.ink, width: 2, dash: 'dash'},
          },
        ];
  const limitLabel =
    limit === undefined
      ? []
      : [
          {
            xref: 'paper',
            x: 1,
            xanchor: 'right',
            y: limit / scale.by,
            text: `limit ${formatBytes(limit)}`,
            showarrow: false,
            yshift: 12,
          },
        ];
  return new Figure({
    title,
    alt: `Stacked bars of bytes. ${rows
      .map(
        ({name, parts, total}) =>
          `${name}: ${formatBytes(total)}, consisting of ${shown
            .filter(({i}) => parts[i] > 0)
            .map(({category, i}) => `${WORDS[category]} ${formatBytes(parts[i])}`)
            .join(', ')}`,
      )
      .join('. ')}.${limit === undefined ? '' : ` The limit is ${formatBytes(limit)}.`}`,
    data,
    layout: {
      height: 440,
      barmode: 'stack',
      margin: {b: 110},
      shapes: line,
      xaxis: {
        type: 'category',
        tickmode: 'array',
        tickvals: rows.map((_, index) => index),
        ticktext: rows.map(({name}) => name.replace(': ', ':<br>')),
      },
      yaxis: {
        title: {text: `memory at the peak (${scale.unit})`},
        rangemode: 'tozero',
        range: [0, (highest / scale.by) * 1.15],
      },
      annotations: [
        ...rows.map(({total}, index) => ({
          x: index,
          y: total / scale.by,
          text: formatBytes(total),
          showarrow: false,
          yshift: 12,
        })),
        ...limitLabel,
      ],
    },
    table: {
      rows: rows.map(({name, parts, total}) => ({
        name,
        ...Object.fromEntries(shown.map(({category, i}) => [category, parts[i]])),
        total,
      })),
      columns: {
        name: 'bar',
        ...Object.fromEntries(shown.map(({category}) => [category, WORDS[category]])),
        total: 'total',
      },
      units: {
        ...Object.fromEntries(shown.map(({category}) => [category, 'bytes'])),
        total: 'bytes',
      },
    },
  });
}
