/**
 * The books of the meter: which buffers are alive, what each takes, who made it. A
 * buffer that several tensors share is one entry.
 *
 * It runs at every operation, so an entry hangs on the tensor's data id itself and the entries on
 * one another: no hashing, no search.
 */
import {CATEGORIES, categoryIndex, STATE, type Category} from './categories';
import {Region, View} from './regions';

/** A buffer that is alive. */
export interface LiveBuffer {
  bytes: number;
  /** Of the tensor that it was made for. */
  shape: readonly number[];
  /** TF_DataType. */
  type: number;
  /** The operation that made it; 'data' for values that the program gave. */
  op: string;
  layer: string | null;
  /** Place in CATEGORIES; of memory that the program gave, its region's counts. */
  category: number;
  /** How many tensors share it. */
  tensors: number;
  /** Where in the program's own memory it lies, for values that the program gave. */
  view: View | null;
}

/**
 * One of the largest buffers, with the variable that it holds (a weight, an optimizer's moment), or
 * null.
 */
export interface NamedBuffer {
  /** Its size in bytes. */
  bytes: number;
  /** Of the tensor that it was made for. */
  shape: readonly number[];
  /** Its element type, TensorFlow's number of it: 1 is float32. */
  type: number;
  op: string;
  layer: string | null;
  category: Category;
  variable: string | null;
}

/** A live buffer in the books of one ledger, between its neighbours. */
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
  /** Bytes alive, a number a category. */
  readonly live = new Float64Array(CATEGORIES.length);
  /** `live` at the peak. */
  readonly peakLive = new Float64Array(CATEGORIES.length);
  /** The most that the categories of STATE held together. */
  peakState = 0;
  /** What new buffers are for. */
  category = categoryIndex('activations');
  /** Called once a new peak is over, or looked at, while it still stands. */
  onPeak: (() => void) | null = null;
  private peakUnsettled = false;
  /** The buffer whose coming made the peak. */
  peakBuffer: LiveBuffer | null = null;
  private last: Entry | null = null;
  private readonly regions = new Map<ArrayBufferLike, Region>();

  /** The buffer of `tensor` (a tfjs data id); undefined for one that is not in these books. */
  get(tensor: object): LiveBuffer | undefined {
    const entry = (tensor as WithEntry)[ENTRY];
    return entry && entry.ledger === this ? entry : undefined;
  }

  /** A new buffer for `tensor`. */
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

  /** `tensor` shares the buffer of `owner`. */
  share(tensor: object, owner: LiveBuffer): void {
    owner.tensors++;
    (tensor as WithEntry)[ENTRY] = owner as Entry;
  }

  /**
   * What holding `values` would add: nothing where a live tensor already lies over the same memory.
   */
  growthOf(values: ArrayBufferView, wholeBuffer: boolean): number {
    return (
      this.regions.get(values.buffer)?.growth(values.byteOffset, values.byteLength) ??
      (wholeBuffer ? values.buffer.byteLength : values.byteLength)
    );
  }

  /**
   * A tensor over memory of the program. Memory that two tensors lie over counts once; with
   * `whole`, the array buffer counts whole as long as one tensor lies in it.
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

  /** `tensor` is gone; its buffer too when no other shares it. */
  release(tensor: object): void {
    const entry = (tensor as WithEntry)[ENTRY];
    if (!entry || entry.ledger !== this) return;
    (tensor as WithEntry)[ENTRY] = null;
    if (--entry.tensors > 0) return;
    this.settlePeak();
    if (entry.before) entry.before.after = entry.after;
    if (entry.after) entry.after.before = entry.before;
    else this.last = entry.before;
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

  /** What the buffer of `tensor` is for; of memory that the program gave, all of its region. */
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

  /** Calls `onPeak` if there has been a peak since. */
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

  /**
   * The `count` largest buffers alive, those of `variables` by name; tensors over the same memory
   * are one.
   */
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

  resetPeak(): void {
    this.peakBytes = this.liveBytes;
    this.peakLive.set(this.live);
    this.peakState = 0;
    this.countState();
    this.peakBuffer = null;
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
      this.peakBuffer = entry;
    }
  }
}
