/**
 * The display of a run in its cell: devices, progress, speed, time left, and a live chart of the
 * loss.
 */
import type {RankSummary} from '../base/events';
import {newLiveDisplay, type LiveDisplay, type MimeBundle} from './display';
import {detailsHtml, escapeHtml, imageHtml} from './markup';
import {chartSize, lossChartSvg, lossWords, type LossChart} from './lossChart';
import type {RunState, Watcher} from '../run/progress/runState';
import {printOutput} from '../run/progress/showRuns';
import {table} from './table';
import {throttle, type Throttled} from '../run/progress/throttle';

const framesPerSecond = 6;

/** Shows a run in the cell that started it; `warning`, if there is one, stands under the devices. */
export function watchInCell(
  state: RunState,
  warning: string | undefined,
  display: LiveDisplay = newLiveDisplay(),
): Watcher {
  const frames: Throttled = throttle(
    () => display.show(runBundle(state, warning)),
    1000 / framesPerSecond,
  );
  frames.request();
  return {
    changed: () => frames.request(),
    printed: printOutput,
    ended: () => frames.finish(),
  };
}

/** The output of the cell for the present state of the run. */
export function runBundle(state: RunState, warning: string | undefined): MimeBundle {
  const {start} = state;
  const chart: LossChart = {
    losses: state.losses,
    validation: state.epochs.flatMap(({at, logs}) =>
      logs.val_loss === undefined ? [] : [{at, value: logs.val_loss}],
    ),
    totalSteps: state.totalSteps,
    epochEnds: state.epochs.map(({at}) => at),
  };
  const alt = lossWords(chart);
  const about = `${start.strategy} · ${start.samples.toLocaleString('en-US')} samples · batch size ${start.batchSize}`;
  const progress = `${state.whereLine} · ${state.speedLine}`;
  const html = [
    `<p><strong>${escapeHtml(state.devicesLine)}</strong><br>${escapeHtml(about)}</p>`,
    warning ? `<p><strong>Note:</strong> ${escapeHtml(warning)}</p>` : '',
    `<p><label>progress <progress max="${Math.max(1, state.totalSteps)}" value="${state.stepsDone}">${state.stepsDone}</progress></label> ${escapeHtml(progress)}<br>${escapeHtml(state.metricsLine)}</p>`,
    `<p>${imageHtml({mime: 'image/svg+xml', bytes: lossChartSvg(chart), alt, ...chartSize})}</p>`,
    state.end?.ranks ? ranksTable(state.end.ranks).html : '',
    state.end && state.epochs.length > 0
      ? detailsHtml('The figures of this chart', epochsTable(state).html)
      : '',
  ];
  const text = [
    state.devicesLine,
    about,
    warning,
    progress,
    state.metricsLine,
    alt,
    state.end?.ranks && ranksTable(state.end.ranks).text,
    state.end && state.epochs.length > 0 ? epochsTable(state).text : undefined,
  ];
  return {'text/html': html.join('\n'), 'text/plain': text.filter(Boolean).join('\n')};
}

/** The summary of a run on several devices: a row per rank. */
function ranksTable(ranks: readonly RankSummary[]): {html: string; text: string} {
  const view = table(
    ranks.map((rank) => ({...rank})),
    {
      caption:
        'Each rank: samples per second, mean time per step, bytes sent, and peak memory of its tensors',
      columns: {
        rank: 'rank',
        device: 'device',
        samplesPerSecond: 'samples/s',
        computeSeconds: 'compute',
        communicationSeconds: 'communication',
        waitSeconds: 'waiting',
        noCoreSeconds: 'no core',
        sentBytes: 'sent',
        peakBytes: 'peak memory',
      },
      units: {
        computeSeconds: 'seconds',
        communicationSeconds: 'seconds',
        waitSeconds: 'seconds',
        noCoreSeconds: 'seconds',
        sentBytes: 'bytes',
        peakBytes: 'bytes',
      },
    },
  );
  return {html: String(view.outputs[0]['text/html']), text: view.text};
}

function epochsTable(state: RunState): {html: string; text: string} {
  const view = table(
    state.epochs.map(({epoch, logs}) => ({epoch: epoch + 1, ...logs})),
    {caption: 'Metrics at the end of each epoch'},
  );
  return {html: String(view.outputs[0]['text/html']), text: view.text};
}
