/**
 * The progress of a run on stderr: one line that is rewritten in place on a terminal, one line per
 * epoch in a file or a pipe.
 */
import {metricsWords, type RunState, type Watcher} from './runState';
import {throttle} from './throttle';

/** The members of a stream that the display uses. */
export interface Terminal {
  isTTY?: boolean;
  columns?: number;
  write(text: string): unknown;
}

/** Shows a run on a stream; prints `warning`, if there is one, after the devices. */
export function watchInTerminal(
  state: RunState,
  warning: string | undefined,
  terminal: Terminal = process.stderr,
): Watcher {
  terminal.write(`${state.devicesLine}\n${warning ? `Note: ${warning}\n` : ''}`);
  return terminal.isTTY ? inPlace(state, terminal) : lineByLine(state, terminal);
}

function inPlace(state: RunState, terminal: Terminal): Watcher {
  const draw = (): void => {
    // A line as wide as the terminal would wrap, and a wrapped line cannot be erased.
    terminal.write(`\r\x1b[K${progressLine(state).slice(0, (terminal.columns ?? 80) - 1)}`);
  };
  const frames = throttle(draw, 125);
  frames.request();
  return {
    changed: () => frames.request(),
    printed: ({rank, text}) => {
      terminal.write(`\r\x1b[K[rank ${rank}] ${text.replace(/\n$/, '')}\n`);
      draw();
    },
    ended: () => {
      frames.finish();
      terminal.write('\n');
    },
  };
}

function lineByLine(state: RunState, terminal: Terminal): Watcher {
  let epochsPrinted = 0;
  return {
    changed: () => {
      for (; epochsPrinted < state.epochs.length; epochsPrinted++) {
        const {epoch, logs} = state.epochs[epochsPrinted];
        terminal.write(
          `epoch ${epoch + 1} of ${state.start.epochs} · ${metricsWords(logs)} · ${state.speedLine}\n`,
        );
      }
    },
    printed: ({rank, text}) => terminal.write(`[rank ${rank}] ${text.replace(/\n$/, '')}\n`),
    ended: () => terminal.write(`${state.speedLine}\n`),
  };
}

/** `[#####-----] epoch 1 of 2, step 37 of 235 · 10,200 samples/s, about 12 s left · loss 0.312`. */
export function progressLine(state: RunState): string {
  const width = 20;
  const filled =
    state.totalSteps > 0
      ? Math.min(width, Math.floor((state.stepsDone / state.totalSteps) * width))
      : width;
  const bar = `[${'#'.repeat(filled)}${'-'.repeat(width - filled)}]`;
  return [`${bar} ${state.whereLine}`, state.speedLine, state.metricsLine]
    .filter(Boolean)
    .join(' · ');
}
