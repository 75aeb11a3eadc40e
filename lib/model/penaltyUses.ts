/**
 * How often fit's loss counts the penalties of each layer: once for each of its applications in the
 * model (tfjs-layers 4.22, container.ts, calculateLosses).
 */
import type * as tf from '@tensorflow/tfjs';
import {innerModel, layerNodeKey, nestedContainer} from './tfjsInternals';

/** The number of times by layer, for the layers of nested models too. */
export function penaltyUses(model: tf.LayersModel): Map<tf.layers.Layer, number> {
  const uses = new Map<tf.layers.Layer, number>();
  const count = (container: NonNullable<ReturnType<typeof nestedContainer>>) => {
    for (const layer of container.layers) {
      const nested = nestedContainer(layer);
      layer.inboundNodes.forEach((_, node) => {
        if (!container.containerNodes.has(layerNodeKey(layer, node))) return;
        if (nested) count(nested);
        else uses.set(layer, (uses.get(layer) ?? 0) + 1);
      });
    }
  };
  const top = nestedContainer(innerModel(model));
  if (top) count(top);
  return uses;
}
