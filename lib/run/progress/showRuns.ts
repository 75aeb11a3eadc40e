/**
 * Shows every run of this process while it goes on: on stderr, or in the display that the notebook
 * sets.
 */
import {onRun, type RunEvent, type RunOutput} from '../../base/events';
import {engineInfo} from '../../devices/engine';
import {RunState, type Watcher} from './runState';
import {watchInTerminal} from './terminalProgress';

/** Begins the display of one run; `warning` is the engine's note to the reader. */
export type RunDisplay = (state: RunState, warning: string | undefined) => Watcher;

let display: RunDisplay = watchInTerminal;
let listening = false;
const shown = new Map<number, {state: RunState; watcher: Watcher}>();

/** Begins to show runs; `train` and `trainParallel` call it, and further calls change nothing. */
export function showRuns(): void {
  if (listening) return;
  listening = true;
  onRun(hear);
}

/** Shows the runs that start from now on in `next`; returns the function that undoes this. */
export function setRunDisplay(next: RunDisplay): () => void {
  display = next;
  return () => {
    if (display === next) display = watchInTerminal;
  };
}

function hear(event: RunEvent): void {
  if (event.type === 'start') {
    if (event.verbose === 0) return;
    const state = new RunState(event);
    shown.set(event.run, {state, watcher: display(state, engineWarning())});
    return;
  }
  const run = shown.get(event.run);
  if (!run) {
    // The output of workers is not lost when the run is silent (verbose: 0) or has not begun.
    if (event.type === 'output') printOutput(event);
    return;
  }
  run.state.add(event);
  if (event.type === 'output') run.watcher.printed(event);
  else if (event.type === 'end') {
    shown.delete(event.run);
    run.watcher.ended();
  } else run.watcher.changed();
}

/** Prints a worker's line on the stream that it was written to, with the rank before it. */
export function printOutput({rank, stream, text}: RunOutput): void {
  process[stream].write(`[rank ${rank}] ${text.replace(/\n$/, '')}\n`);
}

/** A note about the slow JavaScript engine: why it runs, and the command that repairs it. */
function engineWarning(): string | undefined {
  const {name, reason, fix} = engineInfo();
  if (name !== 'javascript') return undefined;
  const because = reason ? ` (${reason})` : '';
  const remedy = fix ? ` To fix it: ${fix}` : '';
  return `this run uses tfjs's JavaScript engine, which is slow and meant for small sizes only${because}.${remedy}`;
}
