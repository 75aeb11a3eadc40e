/**
 * Worker side. The books of the meter: which buffers are alive, what each takes, who made it. A buffer that several tensors share is one entry.
 */
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
  /** How many tensors share it. */
  tensors: number;
  /** Where in the program's own memory it lies, for values that the program gave. */
  view: View | null;
}

export class Ledger {
  liveBytes = 0;
  peakBytes = 0;
  /** The buffer whose coming made the peak. */
  peakBuffer: LiveBuffer | null = null;
  private readonly buffers = new Map<object, LiveBuffer>();
  private readonly regions = new Map<ArrayBufferLike, Region>();

  has(tensor: object): boolean {
    return this.buffers.has(tensor);
  }

  get(tensor: object): LiveBuffer | undefined {
    return this.buffers.get(tensor);
  }

  /** A new buffer for `tensor` (a tfjs data id). */
  add(tensor: object, bytes: number, shape: readonly number[], type: number, op: string, layer: string | null): LiveBuffer {
    const buffer: LiveBuffer = {bytes, shape, type, op, layer, tensors: 1, view: null};
    this.buffers.set(tensor, buffer);
    this.grow(bytes, buffer);
    return buffer;
  }

  /** `tensor` shares the buffer of `owner`. */
  share(tensor: object, owner: LiveBuffer): void {
    owner.tensors++;
    this.buffers.set(tensor, owner);
  }

  /** What holding `values` would add: nothing where a live tensor already lies over the same memory. */
  growthOf(values: ArrayBufferView, whole: boolean): number {
    return this.regions.get(values.buffer)?.growth(values.byteOffset, values.byteLength) ?? (whole ? values.buffer.byteLength : values.byteLength);
  }

  /**
   * A tensor over memory of the program. Memory that two tensors lie over counts once; with `whole`, the array buffer counts
   * whole as long as any tensor lies in it.
   */
  addView(tensor: object, values: ArrayBufferView, whole: boolean, shape: readonly number[], type: number, op: string, layer: string | null): void {
    const key = values.buffer;
    let region = this.regions.get(key);
    if (!region) this.regions.set(key, region = new Region(key, whole));
    const {view, grown} = region.add(values.byteOffset, values.byteLength);
    const buffer: LiveBuffer = {bytes: values.byteLength, shape, type, op, layer, tensors: 1, view};
    this.buffers.set(tensor, buffer);
    this.grow(grown, buffer);
  }

  /** `tensor` is gone; its buffer too when no other shares it. */
  release(tensor: object): void {
    const buffer = this.buffers.get(tensor);
    if (!buffer) return;
    this.buffers.delete(tensor);
    if (--buffer.tensors > 0) return;
    if (!buffer.view) {
      this.liveBytes -= buffer.bytes;
      return;
    }
    const {region} = buffer.view;
    this.liveBytes -= region.remove(buffer.view);
    if (region.empty) this.regions.delete(region.memory);
  }

  /** The `count` largest buffers alive; tensors over the same memory are one. */
  largest(count: number): LiveBuffer[] {
    const distinct = new Map<object, LiveBuffer>();
    for (const buffer of this.buffers.values()) distinct.set(buffer.view ?? buffer, buffer);
    return [...distinct.values()].sort((a, b) => b.bytes - a.bytes).slice(0, count);
  }

  resetPeak(): void {
    this.peakBytes = this.liveBytes;
    this.peakBuffer = null;
  }

  private grow(bytes: number, buffer: LiveBuffer): void {
    this.liveBytes += bytes;
    if (this.liveBytes > this.peakBytes) {
      this.peakBytes = this.liveBytes;
      this.peakBuffer = buffer;
    }
  }
}
