/**
 * The loss of one run, or of several side by side.
 */
import type {Data} from 'plotly.js';
import {ManyHandsError, shown} from '../../base/errors';
import {positiveNumber, readOptions, type OptionTable} from '../../base/options';
import {Figure} from '../figure';
import {formatNumber} from '../format';
import {rankColors} from '../palette';
import {thinned} from '../scale';

/**
 * What of a result is needed: tfjs's history and, where there is a record, the loss of every step.
 */
export interface RunLike {
  history: {history: Record<string, readonly unknown[]>} | Record<string, readonly unknown[]>;
  record?: {steps: readonly {loss: number}[]};
}

interface Curves {
  name: string;
  loss: number[];
  validation: number[];
  steps: number[];
}

const symbols = ['circle', 'diamond', 'triangle-up', 'x'] as const;

/** What one entry of `history` stands for: so many steps instead of an epoch. */
export interface LossOptions {
  stepsAPoint?: number;
}

const OPTIONS: OptionTable<LossOptions> = {'stepsAPoint?': positiveNumber()};

/**
 * The loss curves of a result, or of several by name: `lossFigure({'batch 64': a, 'batch 512':
 * b})`. x counts epochs, or steps with `stepsAPoint`; one run is drawn with the loss of each step
 * as well. Throws BAD_DATA where there is no loss in it.
 */
export function lossFigure(
  runs: RunLike | Readonly<Record<string, RunLike>>,
  title = 'Loss by epoch',
  options: LossOptions = {},
): Figure {
  const {stepsAPoint} = readOptions('lossFigure', options, OPTIONS);
  const [counted, each, scale] = stepsAPoint
    ? ['steps done', `of ${stepsAPoint} steps`, stepsAPoint]
    : ['epochs done', 'of an epoch', 1];
  const named = isRun(runs) ? {'': runs} : runs;
  const all = Object.entries(named).map(([name, run]) => curves(name, run));
  const traces = all.flatMap((run, at) => drawn(run, at, {alone: all.length === 1, each, scale}));
  const sentences = all.map(({name, loss, validation}) => {
    const held =
      validation.length > 0
        ? `; validation loss ${formatNumber(validation[validation.length - 1]!)} at the end`
        : '';
    return `${name ? `${name}: the` : 'The'} mean loss ${each} goes from ${formatNumber(loss[0]!)} to ${formatNumber(loss[loss.length - 1]!)} over ${scale * loss.length} ${stepsAPoint ? 'steps' : `epoch${loss.length === 1 ? '' : 's'}`}${held}.`;
  });
  return new Figure({
    title,
    alt: `Line chart. ${sentences.join(' ')}`,
    data: traces,
    layout: {
      xaxis: {title: {text: counted}, rangemode: 'tozero'},
      yaxis: {title: {text: 'loss'}, rangemode: 'tozero'},
    },
    table: {
      rows: all.flatMap(({name, loss, validation}) =>
        loss.map((value, epoch) => ({
          ...(name ? {run: name} : {}),
          [stepsAPoint ? 'step' : 'epoch']: scale * (epoch + 1),
          loss: value,
          ...(validation.length > 0 ? {val_loss: validation[epoch]} : {}),
        })),
      ),
    },
  });
}

function isRun(runs: RunLike | Readonly<Record<string, RunLike>>): runs is RunLike {
  return (
    'history' in runs &&
    typeof runs.history === 'object' &&
    !('history' in runs.history && 'history' in runs.history.history)
  );
}

function curves(name: string, run: RunLike): Curves {
  const logs = (run?.history && 'loss' in run.history ? run.history : run?.history?.history) as
    | Record<string, number[]>
    | undefined;
  if (!logs?.loss?.length) {
    throw new ManyHandsError(
      'BAD_DATA',
      `lossFigure: ${name ? `the run '${name}'` : 'the run'} has no history.loss; give what train() resolved to. It has ${shown(run)}.`,
    );
  }
  return {
    name,
    loss: logs.loss,
    validation: logs.val_loss ?? [],
    steps: run.record?.steps.map((step) => step.loss) ?? [],
  };
}

function drawn(
  {name, loss, validation, steps}: Curves,
  at: number,
  {alone, each, scale}: {alone: boolean; each: string; scale: number},
): Partial<Data>[] {
  const color = rankColors[at % rankColors.length]!;
  const symbol = symbols[at % symbols.length]!;
  const epochs = loss.map((_, epoch) => scale * (epoch + 1));
  const label = (what: string): string => (name ? `${name}: ${what}` : what);
  const traces: Partial<Data>[] = [];
  if (alone && steps.length > loss.length) {
    const points = thinned(
      steps.map((value, step) => ({at: ((step + 1) / steps.length) * loss.length, value})),
      500,
    );
    traces.push({
      type: 'scatter',
      mode: 'lines',
      name: 'loss of each step',
      x: points.map((point) => point.at),
      y: points.map((point) => point.value),
      line: {color, width: 1.25},
    });
  }
  traces.push({
    type: 'scatter',
    mode: 'lines+markers',
    name: label(`mean loss ${each === 'of an epoch' ? 'of each epoch' : each}`),
    x: epochs,
    y: loss,
    line: {color, width: 2.5},
    marker: {color, symbol, size: 9},
  });
  if (validation.length > 0) {
    const held = alone ? rankColors[1] : color;
    traces.push({
      type: 'scatter',
      mode: 'lines+markers',
      name: label('validation loss'),
      x: epochs,
      y: validation,
      line: {color: held, width: 2.5, dash: 'dash'},
      marker: {color: held, symbol: 'square-open', size: 9},
    });
  }
  return traces;
}
