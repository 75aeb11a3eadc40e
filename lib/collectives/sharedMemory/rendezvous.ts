/**
 * How the ranks of a shared-memory group meet, as the `shared` algorithm sees it.
 */
import type {Numbers} from '../types';
import type {Layout} from './layout';

/** One rank's end of a group whose ranks can meet and see each other's memory. */
export interface Rendezvous {
  readonly rank: number;
  readonly size: number;
  readonly layout: Layout;
  readonly region: {readonly buffer: ArrayBuffer};
  /** Short arrays travel with the agreement: every rank's copy, by rank; null for other calls. */
  readonly inlined: Numbers[] | null;
  /** Returns when all ranks of the group have called it equally often. */
  meet(): void;
  /**
   * All ranks' arrays at the position of `array`, by rank; null if the call must go through the
   * staging areas.
   */
  mirrors<T extends Numbers>(array: T): T[] | null;
}
