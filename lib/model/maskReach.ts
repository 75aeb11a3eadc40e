/**
 * Which tensors of a model have masks, and how far a mask reaches, as far as the layers' classes
 * tell.
 */
import {framesBegunBy, type Graph, type LayerCall, type Slot} from './graph';
import {innerLayers} from './layerState';
import {isUserLayer} from './tfjsClasses';
import {maskingFields} from './tfjsLayers';

/** The classes whose `call` uses the mask among its arguments, besides recurrent layers. */
const READERS = ['Softmax', 'Bidirectional'];

/** Whether a layer may use the mask among its arguments. */
function mayReadMask(layer: LayerCall['layer']): boolean {
  const {returnSequences} = maskingFields(layer);
  return (
    returnSequences !== undefined ||
    READERS.includes(layer.getClassName()) ||
    isUserLayer(layer) ||
    innerLayers(layer).some(mayReadMask)
  );
}

/** Whether a layer may make a mask of its own. */
function mayBeginMask(layer: LayerCall['layer']): boolean {
  const {supportsMasking, maskZero} = maskingFields(layer);
  return (
    supportsMasking &&
    (maskZero === true || layer.getClassName() === 'Masking' || isUserLayer(layer))
  );
}

export interface MaskReach {
  /** Slots whose tensor may have a mask. */
  slots: ReadonlySet<Slot>;
  /**
   * By call index: the name of a layer that may use the mask of an earlier layer, one that comes
   * before this call; undefined if there is none.
   */
  readerOfEarlier: Array<string | undefined>;
}

/** Follows the masks of a graph. */
export function maskReach({calls}: Graph): MaskReach {
  const slots = new Set<Slot>();
  const isMasked = ({maskSlots}: Pick<LayerCall, 'maskSlots'>) =>
    maskSlots.some((slot) => slot !== null && slots.has(slot));
  /** For each call whether it sets the mask among the arguments. */
  const sets: boolean[] = [];
  for (const call of calls) {
    const {supportsMasking, returnSequences} = maskingFields(call.layer);
    const masked = isMasked(call);
    sets.push(masked || framesBegunBy(call).some(isMasked));
    if (supportsMasking && returnSequences !== false && (masked || mayBeginMask(call.layer)))
      for (const slot of call.outputs) slots.add(slot);
  }
  const readerOfEarlier = calls.map(({index}) => {
    if (!sets.slice(0, index).includes(true)) return undefined;
    const next = calls.slice(index).find((call) => sets[call.index] || mayReadMask(call.layer));
    return next && !sets[next.index] ? next.name : undefined;
  });
  return {slots, readerOfEarlier};
}
