/**
 * The mask that tfjs's executor hands to each layer (tfjs-layers 4.22, executor.ts, execute). It has
 * one object of arguments for all layers and sets its mask when a layer has a masked input. So a
 * layer without one gets the mask of an earlier layer, if there was any.
 */
import * as tf from '@tensorflow/tfjs';
import type {Frame, LayerCall} from '../model/graph';
import {maskingFields} from '../model/tfjsLayers';
import {explained} from './layerErrors';

/** The arguments of a frame: the mask that they have now. */
interface Arguments {
  mask: tf.Tensor | null;
}

/** The masks of a call. */
export interface CallMasks {
  /** That of each input. */
  inputs: Array<tf.Tensor | null>;
  /** The mask among the arguments of its `call`; not always that of the first input. */
  argument: tf.Tensor | null;
}

/** Follows the mask among the arguments through a forward pass. */
export class MaskArgument {
  private readonly argumentsOf = new Map<Frame, Arguments>();
  private readonly shared: Arguments | null;

  /**
   * In training all layers share one object, also those of nested models. In a prediction it is
   * made by the first masked layer, and by a nested model that is called before.
   */
  constructor(training: boolean, mask: tf.Tensor | null = null) {
    this.shared = training ? {mask} : null;
  }

  private of(frame: Frame): Arguments | null {
    if (this.shared) return this.shared;
    const known = this.argumentsOf.get(frame);
    if (known || !frame.parent) return known ?? null;
    const entered = this.of(frame.parent) ?? {mask: null};
    this.argumentsOf.set(frame, entered);
    return entered;
  }

  /** The mask argument of a call, given the masks of its inputs. The tensor stays this object's. */
  next({frame}: LayerCall, inputs: Array<tf.Tensor | null>): tf.Tensor | null {
    let current = this.of(frame);
    if (inputs.some((mask) => mask !== null)) {
      if (!current) this.argumentsOf.set(frame, (current = {mask: null}));
      current.mask?.dispose();
      current.mask = inputs[0] && tf.clone(inputs[0]);
    }
    return current?.mask ?? null;
  }

  /** A new handle of the mask that is set now, in training. */
  keep(): tf.Tensor | null {
    return this.shared?.mask ? tf.clone(this.shared.mask) : null;
  }

  dispose(): void {
    for (const entry of [this.shared, ...this.argumentsOf.values()]) {
      if (!entry) continue;
      entry.mask?.dispose();
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
