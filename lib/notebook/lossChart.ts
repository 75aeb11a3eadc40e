/**
 * The live chart of a training run, as SVG: the loss of every step, and the validation loss of every
 * epoch.
 */
import {formatNumber} from '../base/format';
import {paper, rankColors} from './palette';
import type {Point} from '../run/progress/runState';
import {linear, thinned, tickLabels, ticks} from './scale';
import {card, element, line, polyline, text} from './markup';

export const chartSize = {width: 640, height: 260} as const;
const edges = {left: 62, right: 16, top: 40, bottom: 44} as const;
const looks = {
  loss: {color: rankColors[0], dash: undefined},
  validation: {color: rankColors[1], dash: '6 4'},
} as const;

/** The data of the chart. */
export interface LossChart {
  /** The loss of every step. */
  losses: readonly Point[];
  /** The validation loss at the end of every epoch; empty without validation. */
  validation: readonly Point[];
  /** Steps in the whole run: the end of the x axis. */
  totalSteps: number;
  /** The last step of each epoch. */
  epochEnds: readonly number[];
}

/** The chart as an SVG document of `chartSize`. */
export function lossChartSvg(chart: LossChart): string {
  const {losses, validation, totalSteps, epochEnds} = chart;
  const shown = thinned(
    losses.filter((point) => Number.isFinite(point.value)),
    300,
  );
  const values = [...shown, ...validation].map((point) => point.value).filter(Number.isFinite);
  const yTicks = ticks(Math.min(0, ...values), values.length > 0 ? Math.max(...values) : 1, 4);
  const xTicks = ticks(0, Math.max(1, totalSteps), 6).filter(
    (tick) => tick <= totalSteps && Number.isInteger(tick),
  );
  const x = linear([0, Math.max(1, totalSteps)], [edges.left, chartSize.width - edges.right]);
  const y = linear(
    [yTicks[0], yTicks[yTicks.length - 1]],
    [chartSize.height - edges.bottom, edges.top],
  );
  const position = (point: Point): [number, number] => [x(point.at), y(point.value)];
  return card(
    chartSize.width,
    chartSize.height,
    lossWords(chart),
    [
      ...yTicks.map(
        (tick, i) =>
          line(edges.left, y(tick), chartSize.width - edges.right, y(tick), {
            stroke: paper.grid,
            'stroke-width': 1,
          }) +
          text(edges.left - 8, y(tick) + 4, tickLabels(yTicks)[i], {
            'text-anchor': 'end',
            'font-size': 12,
          }),
      ),
      ...xTicks.map((tick) =>
        text(x(tick), chartSize.height - edges.bottom + 18, formatNumber(tick), {
          'text-anchor': 'middle',
          'font-size': 12,
        }),
      ),
      ...epochEnds.map((end) =>
        line(x(end), edges.top, x(end), chartSize.height - edges.bottom, {
          stroke: paper.edge,
          'stroke-dasharray': '2 3',
          'stroke-width': 1,
        }),
      ),
      line(edges.left, y(yTicks[0]), chartSize.width - edges.right, y(yTicks[0]), {
        stroke: paper.faint,
        'stroke-width': 1,
      }),
      text(chartSize.width - edges.right, chartSize.height - 8, 'step', {
        'text-anchor': 'end',
        'font-size': 12,
      }),
      legend(validation.length > 0),
      shown.length > 1 ? polyline(shown.map(position), {stroke: looks.loss.color}) : '',
      ...shown
        .slice(-1)
        .map((point) =>
          element('circle', {cx: x(point.at), cy: y(point.value), r: 4, fill: looks.loss.color}),
        ),
      validation.length > 1
        ? polyline(validation.map(position), {
            stroke: looks.validation.color,
            'stroke-dasharray': looks.validation.dash,
          })
        : '',
      ...validation.map((point) => square(x(point.at), y(point.value))),
    ].join(''),
  );
}

/** Describes the chart in words: its alt text. */
export function lossWords({losses, validation, totalSteps}: LossChart): string {
  const first = losses[0];
  const last = losses[losses.length - 1];
  if (!first || !last)
    return `Chart of the loss by step: no step of ${formatNumber(totalSteps)} is done yet.`;
  const lastValidation = validation[validation.length - 1];
  return (
    `Chart of the loss by step: ${formatNumber(first.value)} at step ${formatNumber(first.at)}, ` +
    `${formatNumber(last.value)} at step ${formatNumber(last.at)} of ${formatNumber(totalSteps)}` +
    `${lastValidation ? `; validation loss ${formatNumber(lastValidation.value)}` : ''}.`
  );
}

function legend(validation: boolean): string {
  const y = 20;
  const loss =
    line(edges.left, y, edges.left + 28, y, {stroke: looks.loss.color, 'stroke-width': 2}) +
    text(edges.left + 36, y + 4, 'loss of each step');
  if (!validation) return loss;
  const from = edges.left + 180;
  return (
    loss +
    line(from, y, from + 28, y, {
      stroke: looks.validation.color,
      'stroke-width': 2,
      'stroke-dasharray': looks.validation.dash,
    }) +
    square(from + 14, y) +
    text(from + 36, y + 4, 'validation loss (val_loss)')
  );
}

function square(x: number, y: number): string {
  return element('rect', {x: x - 4, y: y - 4, width: 8, height: 8, fill: looks.validation.color});
}
