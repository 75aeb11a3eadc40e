/**
 * Line charts of a measured quantity that grows: each point is the median of several runs with their
 * range; an extrapolation is dashed and labelled.
 */
import {median, powerLaw} from '../../base/statistics';
import type {Data} from 'plotly.js';
import {ManyHandsError} from '../../base/errors';
import {Figure} from '../figure';
import {formatNumber} from '../../base/format';
import {
  aString,
  listOf,
  nameFrom,
  readOptions,
  trueOrFalse,
  type OptionTable,
} from '../../base/options';
import {paper, rankColors} from '../palette';
import {quantityWords} from '../quantity';
import {binaryBytes, byteTicks, compact, labelledTicks} from '../scale';

/** A formula drawn over the points. */
export interface GrowthModel {
  name: string;
  /** The formula's value at x. */
  at(x: number): number;
}

/**
 * A line of the figure, with the values of repeated runs at each x; use five or more runs for a
 * meaningful median.
 */
export interface GrowthSeries {
  name: string;
  points: readonly {x: number; values: readonly number[]}[];
  /**
   * The x to extrapolate to by a power law; its exponent is fitted unless `exponent` fixes it (1:
   * proportional).
   */
  extrapolate?: {to: readonly number[]; exponent?: number};
  /** A formula, drawn as a dotted line at the x of the measured points. */
  model?: GrowthModel;
}

/** The lines of a growth figure, and its axes. */
export interface GrowthOptions {
  title: string;
  x: string;
  y: string;
  /** 'seconds' and 'bytes' are written in the unit that fits, any other unit as it is. */
  unit: string;
  series: readonly GrowthSeries[];
  /**
   * Whether both axes are logarithmic, on which a power law is a straight line. @default true
   */
  log?: boolean;
  /** Whether the points are computed by a formula; the figure then says 'computed'. */
  computed?: boolean;
  /** 'bytes' writes the ticks of x as KiB, MiB and so on. */
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

/** The cells of a row that was not measured. */
const NO_RUNS = {lowest: null, highest: null, runs: null};
const symbols = ['circle', 'square', 'diamond', 'triangle-up', 'x', 'cross'] as const;

/**
 * Draws lines with measured points, ranges and extrapolations. Returns the figure with a table of
 * its numbers. Throws BAD_DATA for a line without points or a point without values.
 */
export function growthFigure(options: GrowthOptions): Figure {
  readOptions('growthFigure', options, OPTIONS);
  const {title, x, y, unit, series, log = true, xUnit, computed = false} = options;
  const words = (value: number): string => quantityWords(value, unit);
  const lines = series.map(lineOf);
  const xWords = xUnit === 'bytes' ? binaryBytes : formatNumber;
  const ticksOfX =
    xUnit === 'bytes' ? byteTicks : (values: number[]) => labelledTicks(values, compact);
  const type = log ? 'log' : 'linear';
  return new Figure({
    title,
    alt: `Line chart${log ? ' on logarithmic axes' : ''}, ${y} against ${x}. ${lines.map((line) => sentence(line, x, words, xWords, computed)).join(' ')}`,
    data: lines.flatMap((line, index) => traces(line, index, words, computed)),
    layout: {
      height: 420,
      xaxis: {
        type,
        title: {text: x},
        ...(log
          ? ticksOfX(
              lines.flatMap(({points, beyond}) => [...points, ...beyond].map((point) => point.x)),
            )
          : {}),
      },
      yaxis: {
        type,
        title: {text: log ? y : `${y} (${unit})`},
        ...(log
          ? labelledTicks(
              lines.flatMap(({points, beyond}) => [
                ...points.flatMap(({low, high}) => [low, high]),
                ...beyond.map((point) => point.y),
              ]),
              words,
            )
          : {rangemode: 'tozero'}),
      },
    },
    table: {
      rows: lines.flatMap(({name, points, beyond, model}) => [
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
          ...NO_RUNS,
        })),
        ...(model
          ? points.map((point) => ({
              line: model.name,
              [x]: point.x,
              kind: 'formula',
              [y]: model.at(point.x),
              ...NO_RUNS,
            }))
          : []),
      ]),
      units: {[y]: unit, lowest: unit, highest: unit},
    },
  });
}

/** A line with its statistics; `beyond` are the extrapolated points. */
interface Line {
  name: string;
  points: {x: number; middle: number; low: number; high: number; runs: number}[];
  beyond: {x: number; y: number}[];
  exponent: number | undefined;
  model: GrowthSeries['model'];
}

function lineOf({name, points, extrapolate, model}: GrowthSeries): Line {
  const empty = points.find(({values}) => values.length === 0);
  if (empty || points.length === 0) {
    throw new ManyHandsError(
      'BAD_DATA',
      `growthFigure: '${name}' has ${empty ? `no values at x = ${empty.x}` : 'no points'}; a point needs at least one.`,
    );
  }
  const medians = points.map(({x, values}) => ({
    x,
    middle: median(values),
    low: Math.min(...values),
    high: Math.max(...values),
    runs: values.length,
  }));
  if (!extrapolate) return {name, points: medians, beyond: [], exponent: undefined, model};
  const law = powerLaw(
    medians.map((point) => ({x: point.x, y: point.middle})),
    extrapolate.exponent,
  );
  return {
    name,
    points: medians,
    beyond: extrapolate.to.map((x) => ({x, y: law.at(x)})),
    exponent: law.exponent,
    model,
  };
}

function sentence(
  {name, points, beyond, exponent, model}: Line,
  x: string,
  words: (value: number) => string,
  xWords: (value: number) => string,
  computed: boolean,
): string {
  const [first, last, far] = [points[0], points[points.length - 1], beyond[beyond.length - 1]];
  const runs = Math.min(...points.map((point) => point.runs));
  return (
    `${name}: ${computed ? 'computed' : 'measured'} ${points.length > 1 ? `from ${words(first.middle)} at ${xWords(first.x)} to ` : ''}${words(last.middle)} at ${xWords(last.x)}` +
    `${runs > 1 ? `, medians of ${runs} or more runs with their range` : ''}` +
    `${far ? `; extrapolated, not measured, with ${x} to the power ${exponent!.toFixed(2)}: ${words(far.y)} at ${xWords(far.x)}` : ''}` +
    `${model ? `; ${model.name}: ${words(model.at(first.x))} to ${words(model.at(last.x))}` : ''}.`
  );
}

function traces(
  {name, points, beyond, model}: Line,
  index: number,
  words: (value: number) => string,
  computed: boolean,
): Partial<Data>[] {
  const color = rankColors[index % rankColors.length];
  const symbol = symbols[index % symbols.length];
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
  const last = points[points.length - 1];
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
