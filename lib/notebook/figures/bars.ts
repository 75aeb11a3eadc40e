/**
 * Bar charts: one quantity of several things, each the median of its runs with their range.
 */
import {median} from '../../base/statistics';
import type {Data} from 'plotly.js';
import {ManyHandsError} from '../../base/errors';
import {Figure} from '../figure';
import {quantityWords} from '../quantity';
import {aString, listOf, readOptions, trueOrFalse, type OptionTable} from '../../base/options';
import {paper, rankStyle} from '../palette';

/** A bar of a bar chart. */
export interface Bar {
  name: string;
  /** One value, or the values of repeated runs. */
  values: number | readonly number[];
  /** The rank whose colour and pattern the bar takes. Default: the bar's own position. */
  rank?: number;
}

/** The bars and their quantity. */
export interface BarsOptions {
  title: string;
  /** The name of the quantity. */
  y: string;
  /** 'seconds' and 'bytes' are written in the unit that fits, any other unit as it is. */
  unit: string;
  bars: readonly Bar[];
  /**
   * Whether the axis is logarithmic, for bars that differ by powers of ten; a bar of 0 then has no
   * height. @default false
   */
  log?: boolean;
}

const OPTIONS: OptionTable<BarsOptions> = {
  title: aString,
  y: aString,
  unit: aString,
  bars: listOf('bars'),
  'log?': trueOrFalse,
};

/**
 * Draws a bar chart of `bars`: each bar's height is the median of its values in `unit`, with an error
 * bar from the lowest to the highest for repeated runs. Returns the figure with a table of its
 * numbers. Throws BAD_DATA without bars, or for a bar without values.
 */
export function barsFigure(options: BarsOptions): Figure {
  const {title, y, unit, bars, log = false} = readOptions('barsFigure', options, OPTIONS);
  const words = (value: number): string => quantityWords(value, unit);
  const rows = bars.map(({name, values, rank}, index) => {
    const runs = typeof values === 'number' ? [values] : values;
    if (runs.length === 0)
      throw new ManyHandsError(
        'BAD_DATA',
        `barsFigure: '${name}' has no values; a bar needs at least one.`,
      );
    return {
      name,
      middle: median(runs),
      low: Math.min(...runs),
      high: Math.max(...runs),
      runs: runs.length,
      look: rankStyle(rank ?? index),
    };
  });
  if (rows.length === 0) throw new ManyHandsError('BAD_DATA', 'barsFigure: no bars were given.');
  const ranged = rows.some(({runs}) => runs > 1);
  const highest = Math.max(...rows.map(({high}) => high));
  // A logarithmic axis begins a decade or more below the smallest value.
  const floor =
    Math.floor(
      Math.log10(Math.min(highest, ...rows.map(({low}) => low).filter((low) => low > 0))),
    ) - 1;
  const data: Partial<Data> = {
    type: 'bar',
    x: rows.map(({name}) => name),
    y: rows.map(({middle}) => middle),
    marker: {
      color: rows.map(({look}) => look.color),
      pattern: {
        shape: rows.map(({look}) => look.pattern),
        size: 8,
        solidity: 0.25,
        fgcolor: paper.card,
        fillmode: 'overlay',
      },
    },
    error_y: {
      type: 'data',
      symmetric: false,
      visible: ranged,
      thickness: 2,
      width: 8,
      color: paper.ink,
      array: rows.map((row) => row.high - row.middle),
      arrayminus: rows.map((row) => row.middle - row.low),
    },
    hoverinfo: 'skip',
  } as Partial<Data>;
  return new Figure({
    title,
    alt: `Bar chart${log ? ' on a logarithmic axis' : ''} of ${y}: ${rows.map((row) => `${row.name} ${words(row.middle)}${row.runs > 1 ? ` (${words(row.low)} to ${words(row.high)} in ${row.runs} runs)` : ''}`).join(', ')}.`,
    data: [data],
    layout: {
      // 'every step: left' takes two lines, because plotly.js rotates long names.
      xaxis: {
        type: 'category',
        tickmode: 'array',
        tickvals: rows.map((_, index) => index),
        ticktext: rows.map(({name}) => name.replace(': ', ':<br>')),
      },
      yaxis: {
        title: {text: `${y} (${unit})`},
        ...(log
          ? {
              type: 'log',
              range: [floor, Math.log10(highest) + 0.5],
              exponentformat: 'power',
              dtick: 1,
            }
          : {rangemode: 'tozero', range: [0, highest * 1.15]}),
      },
      // Above the error bar, which would cross a label at the end of the bar.
      annotations: rows.map((row, index) => ({
        x: index,
        y: log ? Math.max(floor, Math.log10(row.high)) : row.high,
        text: words(row.middle),
        showarrow: false,
        yshift: 14,
      })),
    },
    table: {
      rows: rows.map(({name, middle, low, high, runs}) => ({
        name,
        median: middle,
        ...(ranged ? {lowest: low, highest: high, runs} : {}),
      })),
      columns: ranged
        ? {name: 'bar', median: `${y}, median`, lowest: 'lowest', highest: 'highest', runs: 'runs'}
        : {name: 'bar', median: y},
      units: ranged ? {median: unit, lowest: unit, highest: unit} : {median: unit},
    },
  });
}
