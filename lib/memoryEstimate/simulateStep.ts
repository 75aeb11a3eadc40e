/**
 * Simulates the memory of a step: the passes of `lib/step` over buffers that have only
 * sizes.
 */
import type {LayerCall, Slot} from '../model/graph';
import type {Segment} from '../model/segments';
import type {CallSizes, BufferRef, Probe, Probed} from './probe';

/** The peak of a step in bytes, and when it occurs. */
export interface SimulatedPass {
  /** Without parameters and the optimizer's state. */
  peak: number;
  gradients: number;
  activations: number;
  at: {phase: 'forward' | 'loss' | 'backward'; layer: string | null};
  /** By call index, the bytes that each call holds at the end of the forward pass. */
  held: number[];
  /** Bytes of inputs and targets. */
  batch: number;
}

interface Buffer {
  bytes: number;
  uses: number;
  /** The index of the call that made it; -1 for the batch. */
  by: number;
}

/** An affine size at `batch` samples, from its values at two and three. */
const valueAt = (two: number, three: number, batch: number): number =>
  two + (three - two) * (batch - 2);

function bufferAt(two: BufferRef | null, three: BufferRef | null, batch: number): BufferRef | null {
  return two && 'bytes' in two && three && 'bytes' in three
    ? {bytes: valueAt(two.bytes, three.bytes, batch)}
    : two;
}

/** The probed sizes at any batch size. */
export function sizesAt({two, three}: {two: Probe; three: Probe}, batch: number): Probe {
  const calls = two.calls.map((small, i): CallSizes => {
    const large = three.calls[i];
    const size = (name: 'inside' | 'forward' | 'backward' | 'mask') =>
      valueAt(small[name], large[name], batch);
    return {
      ...small,
      outputs: small.outputs.map((ref, j) => bufferAt(ref, large.outputs[j], batch)!),
      gradients: small.gradients.map((ref, j) => bufferAt(ref, large.gradients[j], batch)),
      inside: size('inside'),
      forward: size('forward'),
      backward: size('backward'),
      mask: size('mask'),
    };
  });
  const loss = (name: keyof Probe['loss']) => valueAt(two.loss[name], three.loss[name], batch);
  return {calls, loss: {batch: loss('batch'), extra: loss('extra'), gradients: loss('gradients')}};
}

class PassSimulator {
  private live = 0;
  private gradientBytes = 0;
  readonly peak: SimulatedPass = {
    peak: 0,
    gradients: 0,
    activations: 0,
    at: {phase: 'forward', layer: null},
    held: [],
    batch: 0,
  };
  private readonly buffers = new Set<Buffer>();
  private readonly slots: Array<Buffer | null>;
  private readonly masks: Array<Buffer | null>;
  private readonly slotGradients: Array<Buffer | null>;
  private readonly withGradient = new Set<object>();

  constructor(
    private readonly probed: Probed,
    private readonly sizes: Probe,
  ) {
    const {slots} = probed.graph;
    this.slots = new Array<Buffer | null>(slots).fill(null);
    this.masks = new Array<Buffer | null>(slots).fill(null);
    this.slotGradients = new Array<Buffer | null>(slots).fill(null);
  }

  private make(bytes: number, by: number): Buffer {
    const buffer = {bytes, uses: 0, by};
    return this.use(buffer);
  }

  private use(buffer: Buffer): Buffer {
    if (buffer.uses++ === 0) {
      this.live += buffer.bytes;
      this.buffers.add(buffer);
    }
    return buffer;
  }

  private free(buffer: Buffer | null): void {
    if (!buffer || --buffer.uses > 0) return;
    this.live -= buffer.bytes;
    this.buffers.delete(buffer);
  }

  private notePeak(extra: number, phase: SimulatedPass['at']['phase'], layer: string | null): void {
    const total = this.live + this.gradientBytes + extra;
    if (total > this.peak.peak)
      Object.assign(this.peak, {
        peak: total,
        gradients: this.gradientBytes,
        activations: this.live + extra,
        at: {phase, layer},
      });
  }

  /** Adds the gradients that earlier micro-batches left. */
  addAllGradients(): void {
    for (const entry of this.probed.sum.entries) this.addGradient(entry);
  }

  private addGradient(entry: Probed['sum']['entries'][number]): void {
    if (this.withGradient.has(entry)) return;
    this.withGradient.add(entry);
    this.gradientBytes += 4 * entry.variable.size;
  }

  private freeSlots(call: LayerCall): void {
    const {lastUse, outputs} = this.probed.graph;
    for (const slot of new Set([...call.inputs, ...call.outputs])) {
      if (lastUse[slot] > call.index || outputs.includes(slot)) continue;
      this.freeSlot(slot);
    }
  }

  private freeSlot(slot: Slot): void {
    this.free(this.slots[slot]);
    this.free(this.masks[slot]);
    this.slots[slot] = null;
    this.masks[slot] = null;
  }

  /** Runs one call forward; returns the buffers that its tape keeps. */
  private forward(call: LayerCall, taped: boolean, phase: 'forward' | 'backward'): Buffer[] {
    const sizes = this.sizes.calls[call.index];
    this.notePeak(sizes.forward, phase, call.name);
    const inputs = call.inputs.map((slot) => this.slots[slot]!);
    const outputs: Buffer[] = [];
    for (const ref of sizes.outputs) {
      if ('bytes' in ref) outputs.push(this.make(ref.bytes, call.index));
      else if ('weight' in ref) outputs.push(this.make(0, call.index));
      else outputs.push(this.use('input' in ref ? inputs[ref.input] : outputs[ref.output]));
    }
    const kept = taped
      ? [
          ...(sizes.inside > 0 ? [this.make(sizes.inside, call.index)] : []),
          ...inputs.filter((_, i) => sizes.keepsInputs[i]).map((buffer) => this.use(buffer)),
          ...outputs.filter((_, i) => sizes.keepsOutputs[i]).map((buffer) => this.use(buffer)),
        ]
      : [];
    call.outputs.forEach((slot, i) => (this.slots[slot] = outputs[i]));
    this.masks[call.outputs[0]] = sizes.mask > 0 ? this.make(sizes.mask, call.index) : null;
    this.notePeak(0, phase, call.name);
    return kept;
  }

  /** The buffer of an input's gradient; null if it has none. */
  private gradientBuffer(
    ref: BufferRef | null,
    call: LayerCall,
    outputGradients: Array<Buffer | null>,
  ): Buffer | null {
    if (ref === null) return null;
    if ('bytes' in ref) return this.make(ref.bytes, call.index);
    const passedOn = 'output' in ref ? outputGradients[ref.output] : null;
    return passedOn && this.use(passedOn);
  }

  private backward(call: LayerCall, kept: Buffer[]): void {
    const sizes = this.sizes.calls[call.index];
    this.notePeak(sizes.backward, 'backward', call.name);
    for (const buffer of kept) this.free(buffer);
    const outputGradients = call.outputs.map((slot) => this.slotGradients[slot]);
    const inputGradients = sizes.gradients.map((ref) =>
      this.gradientBuffer(ref, call, outputGradients),
    );
    for (const [i, slot] of call.outputs.entries()) {
      this.free(outputGradients[i]);
      this.slotGradients[slot] = null;
    }
    call.inputs.forEach((slot, i) => {
      const gradient = inputGradients[i];
      if (!gradient) return;
      const existing = this.slotGradients[slot];
      if (existing && call.inputs.indexOf(slot) === i)
        this.notePeak(gradient.bytes, 'backward', call.name);
      this.free(existing);
      this.slotGradients[slot] = gradient;
    });
    for (const entry of this.probed.sum.of(call.layer)) this.addGradient(entry);
    this.notePeak(0, 'backward', call.name);
  }

  run(segments: Segment[]): SimulatedPass {
    const {graph} = this.probed;
    const {loss} = this.sizes;
    const batch = this.make(loss.batch, -1);
    // The buffers of the inputs are counted in the batch.
    graph.inputs.forEach((slot) => (this.slots[slot] = this.use(this.make(0, -1))));
    const pieces: Array<{
      segment: Segment;
      call: LayerCall | null;
      kept: Buffer[];
      slots: Array<[Slot, Buffer, Buffer | null]>;
    }> = [];
    for (const segment of segments) {
      if (segment.recompute) {
        const made = new Set(segment.calls.flatMap(({outputs}) => outputs));
        const read = [
          ...new Set(segment.calls.flatMap(({inputs}) => inputs).filter((slot) => !made.has(slot))),
        ];
        pieces.push({
          segment,
          call: null,
          kept: [],
          slots: read.map((slot) => [
            slot,
            this.use(this.slots[slot]!),
            this.masks[slot] && this.use(this.masks[slot]!),
          ]),
        });
      }
      for (const call of segment.calls) {
        const kept = this.forward(call, !segment.recompute, 'forward');
        if (!segment.recompute) pieces.push({segment, call, kept, slots: []});
        this.freeSlots(call);
      }
    }
    this.peak.held = graph.calls.map(({index}) =>
      [...this.buffers]
        .filter(({by}) => by === index)
        .reduce((bytes, buffer) => bytes + buffer.bytes, 0),
    );
    this.peak.batch = loss.batch;
    this.notePeak(loss.extra, 'loss', null);
    for (const slot of graph.outputs) this.freeSlot(slot);
    graph.outputs.forEach(
      (slot, i) => (this.slotGradients[slot] = this.make(i === 0 ? loss.gradients : 0, -1)),
    );
    for (const {segment, call, kept, slots} of pieces.reverse()) {
      if (call) {
        this.backward(call, kept);
        continue;
      }
      for (const [slot, buffer, mask] of slots) {
        this.slots[slot] = buffer;
        this.masks[slot] = mask;
      }
      const tapes = segment.calls.map((call) => {
        const tape = this.forward(call, true, 'backward');
        this.freeSlots(call);
        return tape;
      });
      for (let slot = 0; slot < this.slots.length; slot++) this.freeSlot(slot);
      segment.calls.forEach((_, i) =>
        this.backward(
          segment.calls[segment.calls.length - 1 - i],
          tapes[segment.calls.length - 1 - i],
        ),
      );
    }
    this.free(batch);
    return this.peak;
  }
}

/**
 * Simulates forward and backward pass of one micro-batch of `samples`. `gradientsPresent`: whether
 * an earlier micro-batch has left gradients.
 */
export function simulatePass(
  probed: Probed,
  segments: Segment[],
  samples: number,
  gradientsPresent: boolean,
): SimulatedPass {
  const simulator = new PassSimulator(probed, sizesAt(probed, samples));
  if (gradientsPresent) simulator.addAllGradients();
  return simulator.run(segments);
}
