/**
 * How a measured quantity grows: each point the median of several runs with their
 * range, and, drawn otherwise and said to be one, an extrapolation.
 */
import {median, powerLaw} from '../../base/statistics';
import type {Data} from 'plotly.js';
import {ManyHandsError} from '../../base/errors';
import {
  aString,
  listOf,
  nameFrom,
  readOptions,
  trueOrFalse,
  type OptionTable,
} from '../../base/options';
import {formatBytes} from '../../base/units';
import {Figure} from '../figure';
import {formatNumber, formatWithUnit} from '../format';
import {paper, rankColors} from '../palette';
import {logTicks} from '../scale';

/** A formula beside the points. */
export interface GrowthModel {
  name: string;
  /** The formula's value at x. */
  at(x: number): number;
}

/**
 * A line of the figure: at each `x` the values of repeated runs (five or more make a median worth
 * its name).
 */
export interface GrowthSeries {
  name: string;
  points: readonly {x: number; values: readonly number[]}[];
  /**
   * Where to go on by a power law, as x; `exponent` fixes its slope (1: in proportion), else it is
   * fitted.
   */
  extrapolate?: {to: readonly number[]; exponent?: number};
  /** What a formula says, drawn as a dotted line over the measured points. */
  model?: GrowthModel;
}

/** What grows with what, in which unit. */
export interface GrowthOptions {
  title: string;
  x: string;
  y: string;
  /** 'seconds' and 'bytes' are written in the unit that fits; any other stands as it is. */
  unit: string;
  series: readonly GrowthSeries[];
  /** Logarithmic axes; default both. Extrapolation is a straight line only there. */
  log?: boolean;
  /** The points come from a formula and not from a clock: the figure says so. */
  computed?: boolean;
  /** 'bytes' writes the ticks of x in the unit that fits. */
  xUnit?: 'bytes';
}

const OPTIONS: OptionTable<GrowthOptions> = {
  title: aString,
  x: aString,
  y: aString,
  unit: aString,
  series: listOf('series'),
  'log?': trueOrFalse,
  'computed?': trueOrFalse,
  'xUnit?': nameFrom(['bytes']),
};

const symbols = ['circle', 'square', 'diamond', 'triangle-up', 'x', 'cross'] as const;

/**
 * Lines with measured points, ranges and extrapolations. Throws BAD_DATA for a point without
 * values.
 */
export function growthFigure(options: GrowthOptions): Figure {
  readOptions('growthFigure', options, OPTIONS);
  const {title, x, y, unit, series, log = true, xUnit, computed = false} = options;
  const words = (value: number): string => formatWithUnit(value, unit);
  const all = series.map(measured);
  const type = log ? 'log' : 'linear';
  return new Figure({
    title,
    alt: `Line chart${log ? ' on logarithmic axes' : ''}, ${y} against ${x}. ${all.map((one) => sentence(one, x, words, xUnit === 'bytes' ? binaryBytes : formatNumber, computed)).join(' ')}`,
    data: all.flatMap((one, at) => drawn(one, at, words, computed)),
    layout: {
      height: 420,
      xaxis: {
        type,
        title: {text: x},
        ...(log
          ? (xUnit === 'bytes' ? byteTicks : (values: number[]) => ticksOf(values, short))(
              all.flatMap(({points, beyond}) => [...points, ...beyond].map((point) => point.x)),
            )
          : {}),
      },
      yaxis: {
        type,
        title: {text: log ? y : `${y} (${unit})`},
        ...(log
          ? ticksOf(
              all.flatMap(({points, beyond}) => [
                ...points.flatMap(({low, high}) => [low, high]),
                ...beyond.map((point) => point.y),
              ]),
              words,
            )
          : {rangemode: 'tozero'}),
      },
    },
    table: {
      rows: all.flatMap(({name, points, beyond, model}) => [
        ...points.map((point) => ({
          line: name,
          [x]: point.x,
          kind: computed ? 'computed' : 'measured',
          [y]: point.middle,
          lowest: point.low,
          highest: point.high,
          runs: point.runs,
        })),
        ...beyond.map((point) => ({
          line: name,
          [x]: point.x,
          kind: 'extrapolated',
          [y]: point.y,
          lowest: null,
          highest: null,
          runs: null,
        })),
        ...(model
          ? points.map((point) => ({
              line: model.name,
              [x]: point.x,
              kind: 'formula',
              [y]: model.at(point.x),
              lowest: null,
              highest: null,
              runs: null,
            }))
          : []),
      ]),
      units: {[y]: unit, lowest: unit, highest: unit},
    },
  });
}

const short = (value: number) =>
  value.toLocaleString('en-US', {notation: 'compact', maximumSignificantDigits: 3});

/** plotly's own labels of a short logarithmic axis are bare digits ('2', '5') beside '10²'. */
function ticksOf(
  values: number[],
  words: (value: number) => string,
): {tickmode: 'array'; tickvals: number[]; ticktext: string[]} {
  const drawable = values.filter((value) => value > 0);
  const tickvals =
    drawable.length > 0 ? logTicks(Math.min(...drawable), Math.max(...drawable)) : [];
  return {tickmode: 'array', tickvals, ticktext: tickvals.map(words)};
}

const binaryBytes = (bytes: number) => formatBytes(bytes, 'binary');

/** Bytes by powers of two: 64 B, 1 KiB, 16 KiB ... */
function byteTicks(values: number[]): ReturnType<typeof ticksOf> {
  const first = Math.floor(Math.log2(Math.min(...values)) / 2) * 2;
  const last = Math.ceil(Math.log2(Math.max(...values)));
  const stride = last - first > 12 ? 4 : 2;
  const tickvals = Array.from(
    {length: Math.floor((last - first) / stride) + 1},
    (_, i) => 2 ** (first + i * stride),
  );
  return {
    tickmode: 'array',
    tickvals,
    ticktext: tickvals
      .map(binaryBytes)
      .map((words) => words.replace('.00', '').replace(/(\d)\.0 /, '$1 ')),
  };
}

interface Measured {
  name: string;
  points: {x: number; middle: number; low: number; high: number; runs: number}[];
  beyond: {x: number; y: number}[];
  exponent: number | undefined;
  model: GrowthSeries['model'];
}

function measured({name, points, extrapolate, model}: GrowthSeries): Measured {
  const empty = points.find(({values}) => values.length === 0);
  if (empty || points.length === 0) {
    throw new ManyHandsError(
      'BAD_DATA',
      `growthFigure: '${name}' has ${empty ? `no values at x = ${empty.x}` : 'no points'}; a point needs at least one.`,
    );
  }
  const summed = points.map(({x, values}) => ({
    x,
    middle: median(values),
    low: Math.min(...values),
    high: Math.max(...values),
    runs: values.length,
  }));
  if (!extrapolate) return {name, points: summed, beyond: [], exponent: undefined, model};
  const law = powerLaw(
    summed.map((point) => ({x: point.x, y: point.middle})),
    extrapolate.exponent,
  );
  return {
    name,
    points: summed,
    beyond: extrapolate.to.map((at) => ({x: at, y: law.at(at)})),
    exponent: law.exponent,
    model,
  };
}

function sentence(
  {name, points, beyond, exponent, model}: Measured,
  x: string,
  words: (value: number) => string,
  at: (value: number) => string,
  computed: boolean,
): string {
  const [first, last, far] = [points[0]!, points[points.length - 1]!, beyond[beyond.length - 1]];
  const runs = Math.min(...points.map((point) => point.runs));
  return (
    `${name}: ${computed ? 'computed' : 'measured'} ${points.length > 1 ? `from ${words(first.middle)} at ${at(first.x)} to ` : ''}${words(last.middle)} at ${at(last.x)}` +
    `${runs > 1 ? `, medians of ${runs} or more runs with their range` : ''}` +
    `${far ? `; extrapolated, not measured, with ${x} to the power ${exponent!.toFixed(2)}: ${words(far.y)} at ${at(far.x)}` : ''}` +
    `${model ? `; ${model.name}: ${words(model.at(first.x))} to ${words(model.at(last.x))}` : ''}.`
  );
}

function drawn(
  {name, points, beyond, model}: Measured,
  at: number,
  words: (value: number) => string,
  computed: boolean,
): Partial<Data>[] {
  const color = rankColors[at % rankColors.length]!;
  const symbol = symbols[at % symbols.length]!;
  const solid: Partial<Data> = {
    type: 'scatter',
    mode: 'lines+markers',
    name: `${name} (${computed ? 'computed' : 'measured'})`,
    x: points.map((point) => point.x),
    y: points.map((point) => point.middle),
    line: {color, width: 2.5},
    marker: {color, symbol, size: 10},
    error_y: {
      type: 'data',
      symmetric: false,
      visible: points.some(({runs}) => runs > 1),
      color,
      thickness: 2,
      width: 6,
      array: points.map((point) => point.high - point.middle),
      arrayminus: points.map((point) => point.middle - point.low),
    },
    hovertext: points.map(
      (point) =>
        `${words(point.middle)}, ${words(point.low)} to ${words(point.high)} in ${point.runs} runs`,
    ),
    hoverinfo: 'text',
  };
  const formula: Partial<Data>[] = model
    ? [
        {
          type: 'scatter',
          mode: 'lines',
          name: model.name,
          x: points.map((point) => point.x),
          y: points.map((point) => model.at(point.x)),
          line: {color: paper.ink, width: 2, dash: 'dot'},
          hoverinfo: 'skip',
        },
      ]
    : [];
  if (beyond.length === 0) return [solid, ...formula];
  const last = points[points.length - 1]!;
  const dashed: Partial<Data> = {
    type: 'scatter',
    mode: 'text+lines+markers',
    name: `${name} (extrapolated)`,
    x: [last.x, ...beyond.map((point) => point.x)],
    y: [last.middle, ...beyond.map((point) => point.y)],
    line: {color, width: 2.5, dash: 'dash'},
    marker: {color, symbol: `${symbol}-open`, size: [0, ...beyond.map(() => 11)]},
    text: ['', ...beyond.map((point) => words(point.y))],
    textposition: 'top left',
    cliponaxis: false,
    hoverinfo: 'text',
  };
  return [solid, dashed, ...formula];
}
