/**
 * How layers are sharded over ranks: one or more rules for each layer class. A custom
 * layer registers its rules in its own module.
 */
import type * as tf from '@tensorflow/tfjs';
import {ManyHandsError, oneOf, shown} from '../base/errors';
import {partStart} from '../collectives/types';
import type {WeightShard} from '../model/weightShard';

/**
 * What a layer's weights are sharded by: its outputs ('column'), its inputs ('row'), its table's
 * rows ('vocabulary'), its attention heads, its filters; 'replicated' keeps them whole on every
 * rank.
 */
export type LayoutRule = 'column' | 'row' | 'vocabulary' | 'heads' | 'filters' | 'replicated';
export const LAYOUT_RULES: readonly LayoutRule[] = [
  'column',
  'row',
  'vocabulary',
  'heads',
  'filters',
  'replicated',
];

/** A rank's range of what is divided: from `start` up to, not including, `end`, of `of` in all. */
export interface LayoutPart {
  /** The first index of the range. */
  start: number;
  /** The index after its last one. */
  end: number;
  /** How many there are in all. */
  of: number;
}

/**
 * What each rank's result of a layer is: 'shard', a shard of its last dim that is passed on as it
 * is; 'partial', a summand that an all-reduce completes; 'gathered', a shard that an all-gather
 * completes.
 */
export type OutputPlacement = 'shard' | 'partial' | 'gathered';

/** How one weight is sharded. */
export interface ShardedWeight {
  /** The dim that is sharded. */
  axis: number;
  /** How many indices of that dim belong to one unit, such as a head. @default 1 */
  each?(layer: tf.layers.Layer): number;
}

/** How one rule shards the layers of one class. */
export interface ShardedLayer {
  /** The plural name of what is divided, for errors: 'units', 'heads'. */
  what: string;
  /** How many of them a built layer has. */
  count(layer: tf.layers.Layer): number;
  /** By the weight's name without its layer's; other weights are replicated. */
  weights: Record<string, ShardedWeight>;
  /**
   * 'replicate': the layer needs its whole input, whose gradient an all-reduce completes. 'shard':
   * it takes a shard of the input's last dim.
   */
  inputPlacement: 'replicate' | 'shard';
  /** What the result is, given the input's number of dims. */
  outputPlacement(inputRank: number): OutputPlacement;
  /** Tells the layer that it holds only `part`. */
  localize?(layer: tf.layers.Layer, part: LayoutPart): void;
  /** Computes this rank's result from its weights. @default the layer's own `apply` */
  partial?(layer: tf.layers.Layer, input: tf.Tensor, part: LayoutPart): tf.Tensor;
  /** Computes what follows the sum: bias, activation. */
  finish?(layer: tf.layers.Layer, sum: tf.Tensor): tf.Tensor;
  /** Why this layer cannot be sharded by the rule, as a clause for an error; null if it can. */
  refuses?(layer: tf.layers.Layer): string | null;
}

/** Whether an activation needs the whole last dim, so that it cannot run on a shard of it. */
export const needsWholeRow = (activation: string) => ['softmax', 'logSoftmax'].includes(activation);

const registry = new Map<string, Map<LayoutRule, ShardedLayer>>();

/**
 * Registers how `rule` shards layers of the class `className`. Call it in the module that registers
 * the class with `tf.serialization.registerClass`, because every worker imports that module. As an
 * example, a layer y = x kernel + bias, sharded by its outputs:
 *
 * ```ts
 * registerLayout('MyDense', 'column', {
 *   what: 'units',
 *   count: (layer) => (layer as MyDense).units,
 *   weights: {kernel: {axis: 1}, bias: {axis: 0}}, // kernel [inputs, units], bias [units]
 *   inputPlacement: 'replicate',
 *   outputPlacement: () => 'shard',
 * });
 * ```
 *
 * A second call for the same class and rule replaces the first. Throws BAD_OPTION for an unknown
 * rule, and for 'replicated', which every class has.
 */
export function registerLayout(
  className: string,
  rule: Exclude<LayoutRule, 'replicated'>,
  sharded: ShardedLayer,
): void {
  if (!LAYOUT_RULES.includes(rule) || (rule as LayoutRule) === 'replicated')
    throw new ManyHandsError(
      'BAD_OPTION',
      `registerLayout: a rule is ${oneOf(LAYOUT_RULES.slice(0, -1) as string[])}; it is ${shown(rule)}.`,
    );
  const rules = registry.get(className) ?? new Map<LayoutRule, ShardedLayer>();
  rules.set(rule, sharded);
  registry.set(className, rules);
}

/** The rules of a layer's class, without 'replicated'. */
export function rulesFor(layer: tf.layers.Layer): Map<LayoutRule, ShardedLayer> {
  return registry.get(layer.getClassName()) ?? new Map();
}

/** The range that `rank` of `size` holds. */
export function rangeFor(
  sharded: ShardedLayer,
  layer: tf.layers.Layer,
  rank: number,
  size: number,
): LayoutPart {
  const of = sharded.count(layer);
  return {start: partStart(rank, of, size), end: partStart(rank + 1, of, size), of};
}

/** A weight's name without its layer's name. */
const weightName = (originalName: string) => originalName.slice(originalName.lastIndexOf('/') + 1);

/** A rank's shard of one weight; null if the weight is replicated. */
export function shardOf(
  sharded: ShardedLayer,
  layer: tf.layers.Layer,
  name: string,
  {start, end}: LayoutPart,
): WeightShard | null {
  const weight = sharded.weights[weightName(name)];
  if (!weight) return null;
  const each = weight.each?.(layer) ?? 1;
  return {dim: weight.axis, start: start * each, end: end * each};
}
