/**
 * Seconds of operations between ranks, from the α and β that `calibrate` measured.
 */
import type {LinkOperation} from './commBenchmark';
import type {Link, Machine} from './machine';

/** The operation times of one machine. */
export class LinkTimes {
  constructor(private readonly machine: Machine) {}

  /** Seconds of one operation on `bytes` bytes: α + β bytes. */
  seconds(operation: LinkOperation, ranks: number, bytes: number): number {
    const {alpha, beta} = this.measured(operation, ranks);
    return alpha + bytes * beta;
  }

  /** α: seconds of one operation, however few its bytes. */
  latency(operation: LinkOperation, ranks: number): number {
    return this.seconds(operation, ranks, 0);
  }

  /** β: seconds per byte. */
  perByte(operation: LinkOperation, ranks: number): number {
    return this.seconds(operation, ranks, 1) - this.seconds(operation, ranks, 0);
  }

  /** The measurement with this number of ranks, or with the nearest. */
  private measured(operation: LinkOperation, ranks: number): Link {
    return this.machine.links
      .filter((link) => link.operation === operation)
      .reduce((best, link) =>
        Math.abs(link.ranks - ranks) < Math.abs(best.ranks - ranks) ? link : best,
      );
  }
}
