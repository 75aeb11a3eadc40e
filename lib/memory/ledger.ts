/**
 * The meter's record of live buffers: their sizes, and which operation made them. A
 * buffer that several tensors share is one entry.
 *
 * It runs at every operation, so an entry is a property of the tensor's data id, and entries form a
 * linked list: no hashing, no search.
 */
import {CATEGORIES, categoryIndex, STATE, type Category} from './categories';
import {Region, type View} from './regions';

/** A buffer that is alive. */
export interface LiveBuffer {
  bytes: number;
  /** The shape of the tensor that it was made for. */
  shape: readonly number[];
  /** TF_DataType. */
  type: number;
  /** The operation that made it; 'data' for values that the program supplied. */
  op: string;
  layer: string | null;
  /** Index in CATEGORIES. For the program's own memory, its region's category counts instead. */
  category: number;
  /** The number of tensors that share it. */
  tensors: number;
  /** Its range of the program's own memory; null for a buffer of the engine. */
  view: View | null;
}

/** One of the largest live buffers. */
export interface NamedBuffer {
  /** Its size in bytes. */
  bytes: number;
  /** The shape of the tensor that it was made for. */
  shape: readonly number[];
  /** Its element type as a TF_DataType; 1 is float32. */
  type: number;
  op: string;
  layer: string | null;
  category: Category;
  /** The variable that it holds: a weight or an optimizer's moment; else null. */
  variable: string | null;
}

/** A live buffer of one ledger, in a linked list. */
interface Entry extends LiveBuffer {
  ledger: Ledger;
  before: Entry | null;
  after: Entry | null;
}

const ENTRY = Symbol('many-hands memory entry');
type WithEntry = {[ENTRY]?: Entry | null};

export class Ledger {
  liveBytes = 0;
  peakBytes = 0;
  /** Live bytes by category. */
  readonly live = new Float64Array(CATEGORIES.length);
  /** `live` at the peak. */
  readonly peakLive = new Float64Array(CATEGORIES.length);
  /** The most bytes that the categories of STATE held together. */
  peakState = 0;
  /** The category of new buffers. */
  category = categoryIndex('activations');
  /** Called at a new peak, just before bytes are freed or when the peak is read. */
  onPeak: (() => void) | null = null;
  private peakUnsettled = false;
  /** The operation whose allocation made the peak, and its layer. */
  peakMaker: Pick<LiveBuffer, 'op' | 'layer'> | null = null;
  private last: Entry | null = null;
  private readonly regions = new Map<ArrayBufferLike, Region>();

  /** The buffer of `tensor` (a tfjs data id); undefined if this ledger does not have it. */
  get(tensor: object): LiveBuffer | undefined {
    const entry = (tensor as WithEntry)[ENTRY];
    return entry && entry.ledger === this ? entry : undefined;
  }

  /** Records a new buffer for `tensor`. */
  add(
    tensor: object,
    bytes: number,
    shape: readonly number[],
    type: number,
    op: string,
    layer: string | null,
  ): void {
    this.insert(tensor, bytes, shape, type, op, layer, null, bytes);
  }

  /** Records that `tensor` shares the buffer `owner`. */
  share(tensor: object, owner: LiveBuffer): void {
    owner.tensors++;
    (tensor as WithEntry)[ENTRY] = owner as Entry;
  }

  /** The bytes that holding `values` would add; memory under a live tensor is not counted again. */
  growthOf(values: ArrayBufferView, wholeBuffer: boolean): number {
    return (
      this.regions.get(values.buffer)?.growth(values.byteOffset, values.byteLength) ??
      (wholeBuffer ? values.buffer.byteLength : values.byteLength)
    );
  }

  /**
   * Records a tensor that is a view of the program's memory. Memory under several tensors counts
   * once. With `wholeBuffer`, the whole ArrayBuffer counts as long as one tensor is a view of it.
   */
  addView(
    tensor: object,
    values: ArrayBufferView,
    wholeBuffer: boolean,
    shape: readonly number[],
    type: number,
    op: string,
    layer: string | null,
  ): void {
    const memory = values.buffer;
    let region = this.regions.get(memory);
    if (!region)
      this.regions.set(memory, (region = new Region(memory, wholeBuffer, this.category)));
    const {view, grown} = region.add(values.byteOffset, values.byteLength);
    this.insert(tensor, values.byteLength, shape, type, op, layer, view, grown);
  }

  /** Records that `tensor` is gone; its buffer goes with the last tensor that shares it. */
  release(tensor: object): void {
    const entry = (tensor as WithEntry)[ENTRY];
    if (!entry || entry.ledger !== this) return;
    (tensor as WithEntry)[ENTRY] = null;
    if (--entry.tensors > 0) return;
    this.settlePeak();
    if (entry.before) entry.before.after = entry.after;
    if (entry.after) entry.after.before = entry.before;
    else this.last = entry.before;
    // Whatever still holds the entry must not hold, through its links, every entry that was ever its
    // neighbour: that would be all buffers of all steps.
    entry.before = entry.after = null;
    if (!entry.view) {
      this.liveBytes -= entry.bytes;
      this.live[entry.category] -= entry.bytes;
      return;
    }
    const {region} = entry.view;
    const freed = region.remove(entry.view);
    this.liveBytes -= freed;
    this.live[region.category] -= freed;
    if (region.empty) this.regions.delete(region.memory);
  }

  /** Sets the category of a tensor's buffer, or, for the program's own memory, of its region. */
  tag(tensor: object, category: number): void {
    const entry = (tensor as WithEntry)[ENTRY];
    if (!entry || entry.ledger !== this) return;
    const region = entry.view?.region;
    const before = region ? region.category : entry.category;
    if (before === category) return;
    const bytes = region ? region.bytes : entry.bytes;
    this.live[before] -= bytes;
    this.live[category] += bytes;
    entry.category = category;
    if (region) region.category = category;
    this.countState();
  }

  /** Calls `onPeak` if there has been a new peak since the last call. */
  settlePeak(): void {
    if (!this.peakUnsettled || this.liveBytes < this.peakBytes) return;
    this.peakUnsettled = false;
    this.onPeak?.();
  }

  private countState(): void {
    let state = 0;
    for (const category of STATE) state += this.live[category];
    if (state > this.peakState) this.peakState = state;
  }

  /** The `count` largest live buffers, with the names of `variables`; shared memory counts once. */
  largest(count: number, variables: Iterable<{dataId: object; name: string}> = []): NamedBuffer[] {
    const names = new Map<object, string>();
    for (const {dataId, name} of variables) {
      const entry = this.get(dataId);
      if (entry) names.set(entry.view ?? entry, name);
    }
    const distinct = new Map<object, Entry>();
    for (let entry = this.last; entry; entry = entry.before)
      distinct.set(entry.view ?? entry, entry);
    return [...distinct]
      .sort(([, a], [, b]) => b.bytes - a.bytes)
      .slice(0, count)
      .map(([key, {bytes, shape, type, op, layer, category, view}]) => ({
        bytes,
        shape,
        type,
        op,
        layer,
        category: CATEGORIES[view?.region.category ?? category],
        variable: names.get(key) ?? null,
      }));
  }

  /**
   * Forgets all buffers, at the end of the count: a tensor that lives on, such as a constant of the
   * process, would otherwise keep the arrays of the whole run alive through its entry.
   */
  clear(): void {
    for (let entry = this.last; entry; ) {
      const {before} = entry;
      entry.before = entry.after = entry.view = null;
      entry = before;
    }
    this.last = null;
    this.regions.clear();
    this.onPeak = null;
  }

  resetPeak(): void {
    this.peakBytes = this.liveBytes;
    this.peakLive.set(this.live);
    this.peakState = 0;
    this.countState();
    this.peakMaker = null;
    this.peakUnsettled = false;
  }

  private insert(
    tensor: object,
    bytes: number,
    shape: readonly number[],
    type: number,
    op: string,
    layer: string | null,
    view: View | null,
    grown: number,
  ): void {
    const before = this.last;
    const entry: Entry = {
      bytes,
      shape,
      type,
      op,
      layer,
      category: this.category,
      tensors: 1,
      view,
      ledger: this,
      before,
      after: null,
    };
    if (before) before.after = entry;
    this.last = entry;
    (tensor as WithEntry)[ENTRY] = entry;
    this.liveBytes += grown;
    this.live[view?.region.category ?? entry.category] += grown;
    this.countState();
    if (this.liveBytes > this.peakBytes) {
      this.peakBytes = this.liveBytes;
      this.peakLive.set(this.live);
      this.peakUnsettled = true;
      this.peakMaker = {op, layer};
    }
  }
}
