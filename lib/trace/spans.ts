/**
 * Spans: what a worker did and when, in wall time and processor time.
 */
import {machineMs} from './threadTime';

/** What a worker did in a span; in a 'noCore' span it was ready to run but had no core. */
export type SpanKind =
  | 'forward'
  | 'backward'
  | 'update'
  | 'input'
  | 'communication'
  | 'wait'
  | 'noCore';

/** What one rank did for a while. */
export interface Span {
  rank: number;
  /** The optimizer step, counted from 0. */
  step: number;
  kind: SpanKind;
  /** The layer, or the part of the step. */
  name: string;
  /** Seconds since the start of the run's first step. */
  start: number;
  wallSeconds: number;
  /**
   * Processor time of all threads of the process, in seconds: more than the wall time if several
   * threads work at once.
   */
  cpuSeconds: number;
}

/** The recorder that a program of `spmd` gets for its rank. */
export interface RankTrace {
  /** All spans so far. */
  readonly spans: Span[];
  /** Starts a span; the current span ends. */
  begin(kind: SpanKind, name: string): void;
  /** Ends the current span. */
  end(): void;
}

const cpuSeconds = () => {
  const {user, system} = process.cpuUsage();
  return (user + system) / 1e6;
};

/** Records spans one after another: the start of a span ends the previous span. */
export class SpanRecorder implements RankTrace {
  readonly spans: Span[] = [];
  private origin = machineMs();
  private open: {kind: SpanKind; name: string; start: number; cpu: number} | null = null;
  step = 0;

  constructor(private readonly rank: number) {}

  /** Sets time 0, in milliseconds of the machine's clock; ranks with one origin are comparable. */
  restart(origin: number): void {
    this.origin = origin;
  }

  /** Adds a span that another thread measured; `startMs` is on the machine's clock. */
  add({startMs, ...span}: Omit<Span, 'rank' | 'start'> & {startMs: number}): void {
    this.spans.push({rank: this.rank, start: (startMs - this.origin) / 1000, ...span});
  }

  begin(kind: SpanKind, name: string): void {
    this.end();
    this.open = {kind, name, start: machineMs(), cpu: cpuSeconds()};
  }

  /** Records a span inside the current span, which continues afterwards. */
  async inside(kind: SpanKind, name: string, run: () => Promise<void>): Promise<void> {
    const around = this.open;
    this.begin(kind, name);
    await run();
    if (around) this.begin(around.kind, around.name);
    else this.end();
  }

  end(): void {
    if (!this.open) return;
    const {kind, name, start, cpu} = this.open;
    this.open = null;
    this.spans.push({
      rank: this.rank,
      step: this.step,
      kind,
      name,
      start: (start - this.origin) / 1000,
      wallSeconds: (machineMs() - start) / 1000,
      cpuSeconds: cpuSeconds() - cpu,
    });
  }
}
