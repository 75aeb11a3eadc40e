/**
 * A communication stream executes collectives while the rank computes: on a helper thread
 * (`threadCommStream.ts`), or, if all ranks share a process, on the rank's own thread.
 */
import type {Communicator, LedgerLine} from '../collectives/types';
import {execute, type CommWork} from './commWork';

/** When an op was executed. */
export interface CommSpan {
  name: string;
  step: number;
  /** Milliseconds of the machine's clock. */
  startMs: number;
  wallSeconds: number;
  cpuSeconds: number;
}

/** Everything that a stream did. */
export interface CommReport {
  ledger: LedgerLine[];
  spans: CommSpan[];
}

/** Executes ops one after another, in the same order on every rank. */
export interface CommStream {
  /** Starts an op (see `commWork.ts`); returns how many ops were started so far. */
  start(op: number, step: number): number;
  /** Whether the first `count` ops are finished. */
  isComplete(count: number): boolean;
  /** Waits for the first `count` ops, by default all; throws the error of a failed op. */
  wait(count?: number): Promise<void>;
  /** Waits for all ops, closes the stream, and returns what it did. */
  finish(): Promise<CommReport>;
  /** Closes the stream at once, even during an op; does nothing to a closed stream. */
  abort(): Promise<void>;
}

/** Only the latest ops are waited for, so later promises take the places of older ones. */
const KEPT = 4096;

/**
 * The stream of a rank that shares its thread with other ranks: an op begins when it is started,
 * and continues while the other ranks run.
 */
export class InlineCommStream implements CommStream {
  private started = 0;
  private readonly done: Array<Promise<void>> = [Promise.resolve()];

  constructor(
    private readonly comm: Communicator,
    private readonly work: CommWork,
  ) {}

  start(op: number): number {
    const previous = this.done[this.started % KEPT];
    const done = previous.then(() => execute(this.work, op, this.comm));
    // `wait` throws the error; until then it must not end the process.
    done.catch(() => {});
    this.started += 1;
    this.done[this.started % KEPT] = done;
    return this.started;
  }

  isComplete(): boolean {
    return false;
  }

  async wait(count = this.started): Promise<void> {
    await this.done[count % KEPT];
  }

  async finish(): Promise<CommReport> {
    return {ledger: this.comm.ledger(), spans: []};
  }

  async abort(): Promise<void> {}
}
