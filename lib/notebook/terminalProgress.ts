/**
 * A run as a terminal shows it, on stderr: one line rewritten in place, or, where
 * nobody watches, one line an epoch.
 */
import type {Watcher} from './cellProgress';
import {metricsWords, type RunState} from './runState';
import {throttle} from './throttle';

/** What of a stream is needed here. */
export interface Terminal {
  isTTY?: boolean;
  columns?: number;
  write(text: string): unknown;
}

/**
 * Watches a run on a terminal, or on a stream that is none. `warning`: said after the devices, or
 * nothing.
 */
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
    // A line as wide as the terminal would wrap, and a wrapped line cannot be taken back.
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
  let epochsTold = 0;
  return {
    changed: () => {
      for (; epochsTold < state.epochs.length; epochsTold++) {
        const {epoch, logs} = state.epochs[epochsTold]!;
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
  const full =
    state.totalSteps > 0
      ? Math.min(width, Math.floor((state.stepsDone / state.totalSteps) * width))
      : width;
  const bar = `[${'#'.repeat(full)}${'-'.repeat(width - full)}]`;
  return [`${bar} ${state.whereLine}`, state.speedLine, state.metricsLine]
    .filter(Boolean)
    .join(' · ');
}
