/**
 * The tensors between layers, one a slot; each is freed after its last reader.
 */
import * as tf from '@tensorflow/tfjs';
import {framesBegunBy, type Graph, type LayerCall, type Slot} from '../model/graph';
import {MaskArgument, type CallMasks, type KeptMask} from './masks';

/** A slot's tensor, kept for a segment that reads it later. */
interface KeptSlot {
  slot: Slot;
  tensor: tf.Tensor;
  mask: tf.Tensor | null;
  wantsGradient: boolean;
}

/** What a segment reads and does not make itself. */
export interface KeptInputs {
  slots: KeptSlot[];
  /** The mask among the arguments when the segment begins. */
  mask: KeptMask | null;
}

export function disposeKept({slots, mask}: KeptInputs): void {
  tf.dispose([
    ...slots.flatMap((kept) => (kept.mask ? [kept.tensor, kept.mask] : [kept.tensor])),
    ...(mask ? [mask.tensor] : []),
  ]);
}

export class Slots {
  readonly tensors: Array<tf.Tensor | null>;
  readonly masks: Array<tf.Tensor | null>;
  readonly wantGradient: boolean[];

  private constructor(
    private readonly graph: Graph,
    private readonly maskArgument: MaskArgument,
  ) {
    this.tensors = new Array(graph.slots).fill(null);
    this.masks = new Array(graph.slots).fill(null);
    this.wantGradient = new Array(graph.slots).fill(false);
  }

  /** `wantedInput`: the input whose gradient the backward pass returns. */
  static ofInputs(
    graph: Graph,
    inputs: tf.Tensor[],
    {wantedInput = null, training = true}: {wantedInput?: Slot | null; training?: boolean} = {},
  ): Slots {
    const slots = new Slots(graph, new MaskArgument(training));
    if (wantedInput !== null) slots.wantGradient[wantedInput] = true;
    // Each input gets its own handle, so that all slots are freed in the same way.
    graph.inputs.forEach((slot, i) => {
      const type = graph.inputTypes.get(slot) ?? inputs[i].dtype;
      slots.tensors[slot] =
        type === inputs[i].dtype ? tf.clone(inputs[i]) : tf.cast(inputs[i], type);
    });
    return slots;
  }

  /** Takes over the kept tensors. */
  static ofKept(graph: Graph, kept: KeptInputs): Slots {
    const slots = new Slots(graph, new MaskArgument(true, kept.mask));
    for (const {slot, tensor, mask, wantsGradient} of kept.slots) {
      slots.tensors[slot] = tensor;
      slots.masks[slot] = mask;
      slots.wantGradient[slot] = wantsGradient;
    }
    return slots;
  }

  /** New handles of the tensors that `calls` read and do not make themselves. */
  keepFor(calls: LayerCall[]): KeptInputs {
    const made = new Set(calls.flatMap(({outputs}) => outputs));
    const masks = calls.flatMap(framesBegunBy).flatMap(({maskSlots}) => maskSlots);
    const read = new Set(
      [...calls.flatMap(({inputs}) => inputs), ...masks]
        .filter((slot) => slot !== null)
        .filter((slot) => !made.has(slot) && this.tensors[slot] !== null),
    );
    const slots = [...read].map((slot) => ({
      slot,
      tensor: tf.clone(this.tensors[slot]!),
      mask: this.masks[slot] && tf.clone(this.masks[slot]!),
      wantsGradient: this.wantGradient[slot],
    }));
    return {slots, mask: this.maskArgument.keep()};
  }

  /** The masks that a call gets. Calls must ask for them in order, each once. */
  masksFor(call: LayerCall): CallMasks {
    return this.maskArgument.next(call, (slot) => (slot === null ? null : this.masks[slot]));
  }

  /** `mask`: that of all outputs, as in tfjs; consumed. */
  put(call: LayerCall, outputs: tf.Tensor[], mask: tf.Tensor | null, wantsGradient: boolean): void {
    call.outputs.forEach((slot, i) => {
      this.tensors[slot] = outputs[i];
      this.masks[slot] = mask && tf.clone(mask);
      this.wantGradient[slot] = wantsGradient;
    });
    mask?.dispose();
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
    this.maskArgument.dispose();
  }
}
