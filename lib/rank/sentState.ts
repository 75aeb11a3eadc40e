/**
 * The shared memory in which rank 0 leaves the trained model for the caller. It outlives the job,
 * because the caller reads it after the job has ended. The next job closes it.
 */
import {createRegion, type RegionHandle, type SharedRegion} from '../workers/sharedRegion';

class SentState {
  private region: SharedRegion | null = null;

  /** Returns memory for `bytes` bytes: the same memory as before if the size is the same. */
  allocate(bytes: number): ArrayBuffer {
    if (this.region?.handle.bytes !== bytes || !this.region.shared) {
      this.close();
      this.region = createRegion(bytes);
    }
    return this.region!.buffer;
  }

  /** What the caller needs to read the state. */
  get handle(): RegionHandle {
    return this.region!.handle;
  }

  close(): void {
    this.region?.close();
    this.region = null;
  }
}

/** A process sends the state of one run at a time. */
export const sentState = new SentState();
