/**
 * Bars side by side: one quantity of a few things, each the median of its runs with
 * the range drawn on it.
 */
import {median} from '../../base/statistics';
import type {Data} from 'plotly.js';
import {ManyHandsError} from '../../base/errors';
import {aString, listOf, readOptions, trueOrFalse, type OptionTable} from '../../base/options';
import {Figure} from '../figure';
import {formatWithUnit} from '../format';
import {paper, rankStyle} from '../palette';

/** One bar. */
export interface Bar {
  name: string;
  /** One value, or the values of repeated runs. */
  values: number | readonly number[];
  /** The rank that this bar belongs to: it takes that rank's colour and pattern. */
  rank?: number;
}

/** The bars, and what their height means. */
export interface BarsOptions {
  title: string;
  y: string;
  /** 'seconds' and 'bytes' are written in the unit that fits; any other stands as it is. */
  unit: string;
  bars: readonly Bar[];
  /**
   * A logarithmic axis, for bars that differ by powers of ten; a bar of 0 then has no height.
   * @default false
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

/** A bar for each of `bars`. Throws BAD_DATA without values. */
export function barsFigure(options: BarsOptions): Figure {
  const {title, y, unit, bars, log = false} = readOptions('barsFigure', options, OPTIONS);
  const words = (value: number): string => formatWithUnit(value, unit);
  const rows = bars.map(({name, values, rank}, at) => {
    const all = typeof values === 'number' ? [values] : values;
    if (all.length === 0)
      throw new ManyHandsError(
        'BAD_DATA',
        `barsFigure: '${name}' has no values; a bar needs at least one.`,
      );
    return {
      name,
      middle: median(all),
      low: Math.min(...all),
      high: Math.max(...all),
      runs: all.length,
      look: rankStyle(rank ?? at),
    };
  });
  if (rows.length === 0) throw new ManyHandsError('BAD_DATA', 'barsFigure: no bars were given.');
  const ranged = rows.some(({runs}) => runs > 1);
  const highest = Math.max(...rows.map(({high}) => high));
  // A logarithmic bar begins a decade below the smallest.
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
      // 'every step: left' stands on two lines: many long names would be turned aside.
      xaxis: {
        type: 'category',
        tickmode: 'array',
        tickvals: rows.map((_, at) => at),
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
      // Above the range, not on it: a label on the bar would cross the range's line.
      annotations: rows.map((row, at) => ({
        x: at,
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
