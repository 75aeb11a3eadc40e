/**
 * The state of a run so far, gathered from its events, and its description in words.
 */
import type {DeviceUse, RunEnd, RunEvent, RunOutput, RunStart} from '../../base/events';
import {sum} from '../../base/statistics';
import {count, formatNumber, formatSeconds} from '../../base/format';

/** One point of a curve: `at` counts steps from the start of the run. */
export interface Point {
  at: number;
  value: number;
}

/** Displays one run: in a cell or in a terminal. */
export interface Watcher {
  /** Called when the run's state has changed. */
  changed(): void;
  /** Called with a line that a worker printed. */
  printed(output: RunOutput): void;
  /** Called when the run is over: the final state stays visible. */
  ended(): void;
}

/** A chart draws fewer points than this. */
const MOST_LOSSES = 2048;

/** Everything that the events of one run have told so far. */
export class RunState {
  stepsDone = 0;
  /**
   * The loss of the first and of the last step, and of every step between them as long as they are
   * few; of a long run every second one, then every fourth, and so on.
   */
  readonly losses: Point[] = [];
  /** The distance between two kept losses, in steps. */
  private stride = 1;
  /** The metrics of every epoch, at the step that ended it. */
  readonly epochs: {epoch: number; at: number; logs: Record<string, number>}[] = [];
  end: RunEnd | undefined;
  private epoch: number;
  private readonly recent: {samples: number; seconds: number}[] = [];

  constructor(readonly start: RunStart) {
    this.epoch = start.initialEpoch;
  }

  /** Takes in one event of this run. */
  add(event: RunEvent): void {
    if (event.type === 'step') {
      this.stepsDone++;
      this.epoch = event.epoch;
      if (event.logs.loss !== undefined) this.addLoss({at: this.stepsDone, value: event.logs.loss});
      this.recent.push({samples: event.samples, seconds: event.seconds});
      if (this.recent.length > 50) this.recent.shift();
    } else if (event.type === 'epoch') {
      this.epochs.push({epoch: event.epoch, at: this.stepsDone, logs: event.logs});
    } else if (event.type === 'end') {
      this.end = event;
    }
  }

  private addLoss(point: Point): void {
    const {losses} = this;
    // The last loss stays only until the next step, unless its turn has come.
    const last = losses[losses.length - 1];
    if (last && (last.at - 1) % this.stride !== 0) losses.pop();
    losses.push(point);
    if (losses.length <= MOST_LOSSES) return;
    this.stride *= 2;
    const kept = losses.filter(({at}) => (at - 1) % this.stride === 0 || at === point.at);
    losses.splice(0, losses.length, ...kept);
  }

  get totalSteps(): number {
    return (this.start.epochs - this.start.initialEpoch) * this.start.stepsPerEpoch;
  }

  /** Samples per second: over the last 50 steps while the run goes on, over the whole run at its end. */
  get samplesPerSecond(): number {
    if (this.end) return this.end.samplesPerSecond;
    const seconds = sum(this.recent.map((step) => step.seconds));
    return seconds > 0 ? sum(this.recent.map((step) => step.samples)) / seconds : 0;
  }

  /** Seconds until the last step at the speed of the last 50 steps, without validation. */
  get secondsLeft(): number {
    if (this.recent.length === 0) return Infinity;
    const perStep = sum(this.recent.map((step) => step.seconds)) / this.recent.length;
    return Math.max(0, this.totalSteps - this.stepsDone) * perStep;
  }

  /** The first line of every display: `2 devices: 2 × cpu (A CPU) × 1 thread`. */
  get devicesLine(): string {
    return devicesWords(this.start.devices);
  }

  /** `epoch 1 of 2, step 37 of 235`. */
  get whereLine(): string {
    const {epochs, initialEpoch, stepsPerEpoch} = this.start;
    const before = (this.epoch - initialEpoch) * stepsPerEpoch;
    return `epoch ${this.epoch + 1} of ${epochs}, step ${Math.max(0, this.stepsDone - before)} of ${stepsPerEpoch}`;
  }

  /** `10,200 samples/s, about 12 s left`, or how the run ended. */
  get speedLine(): string {
    if (this.end?.error)
      return `stopped after ${count(this.stepsDone, 'step')}: ${this.end.error.message.split('\n')[0]}`;
    if (this.end)
      return `${formatNumber(this.samplesPerSecond)} samples/s, ${formatSeconds(this.end.seconds)} in all`;
    if (this.stepsDone === 0) return 'starting';
    const speed = `${formatNumber(Math.round(this.samplesPerSecond))} samples/s`;
    if (this.stepsDone >= this.totalSteps) return speed;
    return `${speed}, about ${formatSeconds(wholeSeconds(this.secondsLeft))} left`;
  }

  /**
   * `loss 0.312 · acc 0.905 · val_loss 0.298` at the end of an epoch; the last step's loss within
   * one.
   */
  get metricsLine(): string {
    const lastEpoch = this.epochs[this.epochs.length - 1];
    if (lastEpoch?.at === this.stepsDone) return metricsWords(lastEpoch.logs);
    const lastLoss = this.losses[this.losses.length - 1];
    return lastLoss ? metricsWords({loss: lastLoss.value}) : '';
  }
}

/** Metrics in words: `loss 0.312 · acc 0.905`. */
export function metricsWords(logs: Record<string, number>): string {
  return Object.entries(logs)
    .map(([name, value]) => `${name} ${formatNumber(value)}`)
    .join(' · ');
}

/** Devices × threads: `2 devices: 2 × cpu (Intel ...) × 1 thread`. Equal devices are counted. */
export function devicesWords(devices: readonly DeviceUse[]): string {
  const kinds = new Map<string, {use: DeviceUse; ranks: number}>();
  for (const use of devices) {
    const key = `${use.id} ${use.name} ${use.threads}`;
    kinds.set(key, {use, ranks: (kinds.get(key)?.ranks ?? 0) + 1});
  }
  const lines = [...kinds.values()].map(({use, ranks}) => {
    const threads =
      use.threads === 0 ? "the engine's own number of threads" : count(use.threads, 'thread');
    return `${ranks} × ${use.id} (${use.name}) × ${threads}`;
  });
  return `${count(devices.length, 'device')}: ${lines.join(', ')}`;
}

/** Whole seconds, at least 1: a decimal would flicker. */
function wholeSeconds(seconds: number): number {
  return seconds < 1 ? 1 : Math.round(seconds);
}
