/**
 * Watches every run of this process and shows it where it can be seen: in its cell, or
 * in the terminal.
 */
import {onRun, type RunEvent} from '../base/events';
import {engineInfo} from '../devices/engine';
import {watchInCell, type Watcher} from './cellProgress';
import {inKernel} from './display';
import {RunState} from './runState';
import {watchInTerminal} from './terminalProgress';

const runs = new Map<number, {state: RunState; watcher: Watcher}>();
let stop: (() => void) | undefined;

/** Begins to show runs; called again it changes nothing. Returns the function that stops it. */
export function listenToRuns(): () => void {
  stop ??= onRun(hear);
  return () => {
    stop?.();
    stop = undefined;
  };
}

function hear(event: RunEvent): void {
  if (event.type === 'start') {
    if (event.verbose === 0) return;
    const state = new RunState(event);
    const watcher = inKernel()
      ? watchInCell(state, engineWarning())
      : watchInTerminal(state, engineWarning());
    runs.set(event.run, {state, watcher});
    return;
  }
  const run = runs.get(event.run);
  if (!run) {
    // A run that nobody shows (verbose: 0), or not yet: what its workers print is not lost.
    if (event.type === 'output')
      process[event.stream].write(`[rank ${event.rank}] ${event.text.replace(/\n$/, '')}\n`);
    return;
  }
  run.state.add(event);
  if (event.type === 'output') run.watcher.printed(event);
  else if (event.type === 'end') {
    runs.delete(event.run);
    run.watcher.ended();
  } else run.watcher.changed();
}

/**
 * On the JavaScript engine: that it is slow, why it runs, and the command that mends it; nothing on
 * TensorFlow's.
 */
function engineWarning(): string | undefined {
  const {name, reason, fix} = engineInfo();
  if (name !== 'javascript') return undefined;
  return `this run uses tfjs's JavaScript engine, which is slow and meant for small sizes only${reason ? ` (${reason})` : ''}.${fix ? ` To mend it: ${fix}` : ''}`;
}
