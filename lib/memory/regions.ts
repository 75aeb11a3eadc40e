/**
 * Tensors that lie over memory of the program (TensorFlow does not copy a typed
 * array): how many bytes of it they cover.
 */

/** One range of a region. Several tensors may lie over the same one. */
export interface View {
  region: Region;
  start: number;
  end: number;
  tensors: number;
}

/**
 * One array buffer and the ranges of it that live tensors lie over; where ranges overlap the bytes
 * count once.
 */
export class Region {
  private views: View[] = [];
  /** How many are covered. */
  bytes = 0;
  private overlapping = false;

  /**
   * `whole`: any live tensor keeps all of it (the JavaScript engine's cuts share their parent's
   * memory). `category`: place in CATEGORIES.
   */
  constructor(
    readonly memory: ArrayBufferLike,
    private readonly wholeBuffer: boolean,
    public category = 0,
  ) {}

  get empty(): boolean {
    return this.views.length === 0;
  }

  /** Adds a range; returns it, and how many bytes that adds to what is covered. */
  add(start: number, length: number): {view: View; grown: number} {
    const end = start + length;
    const known = this.views.find((view) => view.start === start && view.end === end);
    if (known) {
      known.tensors++;
      return {view: known, grown: 0};
    }
    const view: View = {region: this, start, end, tensors: 1};
    if (this.views.some((other) => other.start < end && start < other.end)) this.overlapping = true;
    this.views.push(view);
    const before = this.bytes;
    this.recount(length);
    return {view, grown: this.bytes - before};
  }

  /** How many bytes `add` of this range would add. */
  growth(start: number, length: number): number {
    if (this.wholeBuffer) return 0;
    const end = start + length;
    const near = this.views.filter((view) => view.start < end && start < view.end);
    return (
      length -
      covered(
        near.map((view) => ({start: Math.max(view.start, start), end: Math.min(view.end, end)})),
      )
    );
  }

  /** One tensor over the range is gone; returns how many bytes are no longer covered. */
  remove(view: View): number {
    if (--view.tensors > 0) return 0;
    this.views = this.views.filter((other) => other !== view);
    const before = this.bytes;
    this.recount(view.start - view.end);
    return before - this.bytes;
  }

  /** Brings `bytes` up to date after a range of `change` bytes came (or went: negative). */
  private recount(change: number): void {
    if (this.empty) {
      this.bytes = 0;
      this.overlapping = false;
    } else if (this.wholeBuffer) this.bytes = this.memory.byteLength;
    else if (this.overlapping) this.bytes = covered(this.views);
    else this.bytes += change;
  }
}

/** The bytes of a union of ranges. */
function covered(ranges: readonly {start: number; end: number}[]): number {
  let bytes = 0;
  let reached = -Infinity;
  for (const {start, end} of [...ranges].sort((a, b) => a.start - b.start)) {
    bytes += Math.max(0, end - Math.max(start, reached));
    reached = Math.max(reached, end);
  }
  return bytes;
}
