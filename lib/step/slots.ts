/**
 * The tensors between layers, one a slot; each is freed after its last reader.
 */
import * as tf from '@tensorflow/tfjs';
import type {Graph, LayerCall, Slot} from '../model/graph';

/** A slot's tensor, kept for a segment that reads it later. */
export interface KeptSlot {
  slot: Slot;
  tensor: tf.Tensor;
  mask: tf.Tensor | null;
  wantsGradient: boolean;
}

export class Slots {
  readonly tensors: Array<tf.Tensor | null>;
  readonly masks: Array<tf.Tensor | null>;
  readonly wantGradient: boolean[];

  private constructor(private readonly graph: Graph) {
    this.tensors = new Array(graph.slots).fill(null);
    this.masks = new Array(graph.slots).fill(null);
    this.wantGradient = new Array(graph.slots).fill(false);
  }

  /** `wantedInput`: the input whose gradient the backward pass returns. */
  static ofInputs(graph: Graph, inputs: tf.Tensor[], wantedInput: Slot | null = null): Slots {
    const slots = new Slots(graph);
    if (wantedInput !== null) slots.wantGradient[wantedInput] = true;
    // Each input gets its own handle, so that all slots are freed in the same way.
    graph.inputs.forEach((slot, i) => (slots.tensors[slot] = tf.clone(inputs[i])));
    return slots;
  }

  /** Takes over the kept tensors. */
  static ofKept(graph: Graph, kept: KeptSlot[]): Slots {
    const slots = new Slots(graph);
    for (const {slot, tensor, mask, wantsGradient} of kept) {
      slots.tensors[slot] = tensor;
      slots.masks[slot] = mask;
      slots.wantGradient[slot] = wantsGradient;
    }
    return slots;
  }

  /** New handles of the tensors that `calls` read and do not make themselves. */
  keepFor(calls: LayerCall[]): KeptSlot[] {
    const made = new Set(calls.flatMap(({outputs}) => outputs));
    const read = new Set(calls.flatMap(({inputs}) => inputs).filter((slot) => !made.has(slot)));
    return [...read].map((slot) => ({
      slot,
      tensor: tf.clone(this.tensors[slot]!),
      mask: this.masks[slot] && tf.clone(this.masks[slot]!),
      wantsGradient: this.wantGradient[slot],
    }));
  }

  put(call: LayerCall, outputs: tf.Tensor[], mask: tf.Tensor | null, wantsGradient: boolean): void {
    call.outputs.forEach((slot, i) => {
      this.tensors[slot] = outputs[i];
      this.wantGradient[slot] = wantsGradient;
    });
    this.masks[call.outputs[0]] = mask;
  }

  freeAfter(call: LayerCall): void {
    for (const slot of [...call.inputs, ...call.outputs]) {
      if (this.graph.lastUse[slot] > call.index || this.graph.outputs.includes(slot)) continue;
      tf.dispose([this.tensors[slot], this.masks[slot]].filter((tensor) => tensor !== null));
      this.tensors[slot] = null;
      this.masks[slot] = null;
    }
  }

  takeOutputs(): tf.Tensor[] {
    const outputs = this.graph.outputs.map((slot) => tf.clone(this.tensors[slot]!));
    this.freeAll();
    return outputs;
  }

  freeAll(): void {
    tf.dispose([...this.tensors, ...this.masks].filter((tensor) => tensor !== null));
    this.tensors.fill(null);
    this.masks.fill(null);
  }
}
