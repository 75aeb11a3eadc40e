/**
 * Loss curves of one run, or of several in one figure.
 */
import type {Data} from 'plotly.js';
import {ManyHandsError, shown} from '../../base/errors';
import {positiveNumber, readOptions, type OptionTable} from '../../base/options';
import {Figure} from '../figure';
import {count, formatNumber} from '../../base/format';
import {rankColors} from '../palette';
import {thinned} from '../scale';

/**
 * The fields of a result that the figure reads: tfjs's history and, if there is a record, the loss
 * of every step.
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

/** The unit of the x axis. */
export interface LossOptions {
  /** The steps that an entry of `history` stands for. Default: an entry is an epoch. */
  stepsAPoint?: number;
}

const OPTIONS: OptionTable<LossOptions> = {'stepsAPoint?': positiveNumber()};

/**
 * Draws the loss curves of a result, or of several by name: `lossFigure({'batch 64': a, 'batch 512':
 * b})`. x counts epochs, or steps with `stepsAPoint`; a single run also shows the loss of each step.
 * Returns the figure with a table of its numbers. Throws BAD_DATA for a run without a loss.
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
  const runsByName = Object.entries(named).map(([name, run]) => curves(name, run));
  const alone = runsByName.length === 1;
  const sentences = runsByName.map(({name, loss, validation}) => {
    const atEnd =
      validation.length > 0
        ? `; validation loss ${formatNumber(validation[validation.length - 1])} at the end`
        : '';
    const length = stepsAPoint ? `${scale * loss.length} steps` : count(loss.length, 'epoch');
    return `${name ? `${name}: the` : 'The'} mean loss ${each} goes from ${formatNumber(loss[0])} to ${formatNumber(loss[loss.length - 1])} over ${length}${atEnd}.`;
  });
  return new Figure({
    title,
    alt: `Line chart. ${sentences.join(' ')}`,
    data: runsByName.flatMap((run, index) => traces(run, index, {alone, each, scale})),
    layout: {
      xaxis: {title: {text: counted}, rangemode: 'tozero'},
      yaxis: {title: {text: 'loss'}, rangemode: 'tozero'},
    },
    table: {
      rows: runsByName.flatMap(({name, loss, validation}) =>
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
      `lossFigure: ${name ? `the run '${name}'` : 'the run'} has no history.loss; give the result of train(). It is ${shown(run)}.`,
    );
  }
  return {
    name,
    loss: logs.loss,
    validation: logs.val_loss ?? [],
    steps: run.record?.steps.map((step) => step.loss) ?? [],
  };
}

function traces(
  {name, loss, validation, steps}: Curves,
  index: number,
  {alone, each, scale}: {alone: boolean; each: string; scale: number},
): Partial<Data>[] {
  const color = rankColors[index % rankColors.length];
  const symbol = symbols[index % symbols.length];
  const epochs = loss.map((_, epoch) => scale * (epoch + 1));
  const label = (what: string): string => (name ? `${name}: ${what}` : what);
  const result: Partial<Data>[] = [];
  if (alone && steps.length > loss.length) {
    const points = thinned(
      steps.map((value, step) => ({at: ((step + 1) / steps.length) * loss.length, value})),
      500,
    );
    result.push({
      type: 'scatter',
      mode: 'lines',
      name: 'loss of each step',
      x: points.map((point) => point.at),
      y: points.map((point) => point.value),
      line: {color, width: 1.25},
    });
  }
  result.push({
    type: 'scatter',
    mode: 'lines+markers',
    name: label(`mean loss ${each === 'of an epoch' ? 'of each epoch' : each}`),
    x: epochs,
    y: loss,
    line: {color, width: 2.5},
    marker: {color, symbol, size: 9},
  });
  if (validation.length > 0) {
    const validationColor = alone ? rankColors[1] : color;
    result.push({
      type: 'scatter',
      mode: 'lines+markers',
      name: label('validation loss'),
      x: epochs,
      y: validation,
      line: {color: validationColor, width: 2.5, dash: 'dash'},
      marker: {color: validationColor, symbol: 'square-open', size: 9},
    });
  }
  return result;
}
