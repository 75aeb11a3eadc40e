/**
 * The mask that tfjs's executor hands to each layer (tfjs-layers 4.22, executor.ts, execute). It has
 * one object of arguments for all layers and sets its mask when a layer has a masked input. So a
 * layer without one gets the mask of an earlier layer, if there was any. A nested model runs in the
 * same way, a frame of its own.
 */
import * as tf from '@tensorflow/tfjs';
import {framesBegunBy, type Frame, type LayerCall, type Slot} from '../model/graph';
import {maskingFields} from '../model/tfjsLayers';
import {explained} from './layerErrors';

/** A mask among the arguments, and the frame whose layer set it. */
export interface KeptMask {
  tensor: tf.Tensor;
  frame: Frame;
}

/** The arguments of a frame: the mask that they have now. */
interface Arguments {
  mask: KeptMask | null;
}

/** The masks of a call. */
export interface CallMasks {
  /** That of each input. */
  inputs: Array<tf.Tensor | null>;
  /** The mask among the arguments of its `call`; not always that of the first input. */
  argument: tf.Tensor | null;
}

function isInside(frame: Frame, outer: Frame): boolean {
  for (let current: Frame | null = frame; current; current = current.parent)
    if (current === outer) return true;
  return false;
}

/** Follows the mask among the arguments through a forward pass. */
export class MaskArgument {
  private readonly argumentsOf = new Map<Frame, Arguments>();
  private readonly shared: Arguments | null;

  /**
   * In training all layers share one object, also those of nested models. In a prediction it is
   * made by the first masked layer, and by a nested model that is called before.
   */
  constructor(training: boolean, mask: KeptMask | null = null) {
    this.shared = training ? {mask} : null;
  }

  /** Makes the masks of a layer's or a nested model's inputs the argument, if there are any. */
  private set(frame: Frame, inputs: Array<tf.Tensor | null>): void {
    if (inputs.every((mask) => mask === null)) return;
    const current = this.shared ?? this.argumentsOf.get(frame) ?? {mask: null};
    this.argumentsOf.set(frame, current);
    current.mask?.tensor.dispose();
    current.mask = inputs[0] && {tensor: tf.clone(inputs[0]), frame};
  }

  /**
   * The mask argument of a call. `maskOf`: the mask of a slot. The tensor stays this object's, which
   * frees it when the next call asks.
   */
  next(call: LayerCall, maskOf: (slot: Slot | null) => tf.Tensor | null): CallMasks {
    for (const frame of framesBegunBy(call)) {
      this.set(frame.parent!, frame.maskSlots.map(maskOf));
      this.argumentsOf.set(frame, this.argumentsOf.get(frame.parent!) ?? {mask: null});
    }
    const inputs = call.maskSlots.map(maskOf);
    this.set(call.frame, inputs);
    const current = this.shared ?? this.argumentsOf.get(call.frame);
    // tfjs frees the masks of a nested model at its end, and no later layer could read one.
    if (current?.mask && !isInside(call.frame, current.mask.frame)) {
      current.mask.tensor.dispose();
      current.mask = null;
    }
    return {inputs, argument: current?.mask?.tensor ?? null};
  }

  /** A new handle of the mask that is set now, in training. */
  keep(): KeptMask | null {
    const mask = this.shared?.mask;
    return mask ? {...mask, tensor: tf.clone(mask.tensor)} : null;
  }

  dispose(): void {
    for (const entry of [this.shared, ...this.argumentsOf.values()]) {
      if (!entry) continue;
      entry.mask?.tensor.dispose();
      entry.mask = null;
    }
  }
}

/** The mask of all outputs of a layer (Masking, or Embedding with maskZero); null without one. */
export function maskAfter(
  call: LayerCall,
  inputs: tf.Tensor[],
  {inputs: masks, argument}: CallMasks,
): tf.Tensor | null {
  const fields = maskingFields(call.layer);
  if (!fields.supportsMasking) return null;
  const [outputMask] = tf.tidy(() => {
    const computed = explained(call, inputs, argument, () => fields.computeMask(inputs, masks));
    const first = Array.isArray(computed) ? computed[0] : computed;
    // A handle of its own, whether the mask is new or was passed through.
    return first ? [tf.clone(first)] : [];
  });
  return outputMask ?? null;
}
