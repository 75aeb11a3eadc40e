/**
 * Counts how many bytes of the program's own memory tensors cover. TensorFlow does not
 * copy typed arrays, so such tensors are views of them.
 */

/** A range of a region that one or more tensors cover. */
export interface View {
  region: Region;
  start: number;
  end: number;
  tensors: number;
}

/** An ArrayBuffer with the ranges that live tensors cover; overlapping bytes count once. */
export class Region {
  private views: View[] = [];
  /** The number of covered bytes. */
  bytes = 0;
  private overlapping = false;

  /**
   * `wholeBuffer`: one live tensor keeps the whole buffer alive, as slices of the JavaScript engine
   * do. `category`: an index in CATEGORIES.
   */
  constructor(
    readonly memory: ArrayBufferLike,
    private readonly wholeBuffer: boolean,
    public category = 0,
  ) {}

  get empty(): boolean {
    return this.views.length === 0;
  }

  /** Adds a range; returns it, and by how many bytes the covered bytes grow. */
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

  /** By how many bytes `add` would increase the covered bytes. */
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

  /** Removes one tensor from a range; returns how many bytes are no longer covered. */
  remove(view: View): number {
    if (--view.tensors > 0) return 0;
    this.views = this.views.filter((other) => other !== view);
    const before = this.bytes;
    this.recount(view.start - view.end);
    return before - this.bytes;
  }

  /** Updates `bytes` after a range of `change` bytes was added, or removed if negative. */
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
