/**
 * The output shapes of a layer, asked of tfjs itself; no weight is made.
 */
import {compileFunction} from 'node:vm';
import * as tf from '@tensorflow/tfjs';
import type {LayerSpec} from './program';
import {layerSource} from './source';

type Shape = Array<number | null>;

/** Shapes without samples; null where the layer does not take these inputs. */
export function outputShapes(layer: LayerSpec, inputs: number[][]): number[][] | null {
  const shapes: Shape[] = inputs.map((shape) => [null, ...shape]);
  let computed: Shape | Shape[];
  try {
    const make = compileFunction(`return ${layerSource(layer)}`, ['tf']) as (
      engine: typeof tf,
    ) => tf.layers.Layer;
    computed = make(tf).computeOutputShape(
      shapes.length === 1 ? shapes[0] : shapes,
    ) as typeof computed;
  } catch {
    return null;
  }
  const list = (Array.isArray(computed[0]) ? computed : [computed]) as Shape[];
  const known = list.map((shape) => shape.slice(1));
  const good = known.every((shape) => shape.length > 0 && shape.every((dim) => Number(dim) > 0));
  return good && known.every((shape) => shape.length <= 4) ? (known as number[][]) : null;
}
