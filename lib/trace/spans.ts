/**
 * What a worker did and when: spans of wall and processor time.
 */
import {machineMs} from './threadTime';

/** What a worker did in a span; 'noCore' is time that it was ready to run and had no core. */
export type SpanKind =
  | 'forward'
  | 'backward'
  | 'update'
  | 'input'
  | 'communication'
  | 'wait'
  | 'noCore';

/** What one rank did for a while, in wall and processor seconds. */
export interface Span {
  rank: number;
  /** The optimizer step, from 0. */
  step: number;
  kind: SpanKind;
  /** The layer, or what part of the step it is. */
  name: string;
  /** Seconds since the run's first step began. */
  start: number;
  wallSeconds: number;
  /**
   * Processor time of the whole process, all threads, in seconds: more than wall time where threads
   * work at once.
   */
  cpuSeconds: number;
}

/** What a program of `spmd` records of its own rank. */
export interface RankTrace {
  /** All that was recorded so far. */
  readonly spans: Span[];
  /** Opens a span; one that is open ends. */
  begin(kind: SpanKind, name: string): void;
  /** Ends the span that is open. */
  end(): void;
}

const cpuSeconds = () => {
  const {user, system} = process.cpuUsage();
  return (user + system) / 1e6;
};

/** Records spans one after another: opening one closes the one before. */
export class SpanRecorder implements RankTrace {
  readonly spans: Span[] = [];
  private origin = machineMs();
  private open: {kind: SpanKind; name: string; start: number; cpu: number} | null = null;
  step = 0;

  constructor(private readonly rank: number) {}

  /** Time counts from here, on the machine's clock: ranks with one origin compare. */
  restart(origin: number): void {
    this.origin = origin;
  }

  /** A span that another thread measured; `startMs` is the machine's clock. */
  add({startMs, ...span}: Omit<Span, 'rank' | 'start'> & {startMs: number}): void {
    this.spans.push({rank: this.rank, start: (startMs - this.origin) / 1000, ...span});
  }

  begin(kind: SpanKind, name: string): void {
    this.end();
    this.open = {kind, name, start: machineMs(), cpu: cpuSeconds()};
  }

  /** A span inside the one that is open, which goes on after it. */
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
