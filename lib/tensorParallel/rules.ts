/**
 * How a layer's weights are divided among the ranks: a rule a layer class, which a
 * user's own layer registers in its module.
 */
import type * as tf from '@tensorflow/tfjs';
import {ManyHandsError, oneOf, shown} from '../base/errors';
import {partStart} from '../collectives/types';
import type {WeightShard} from '../model/weightShard';

/**
 * How a layer is laid out over the ranks: by its outputs, its inputs, its table's rows, its heads,
 * its filters; or whole on each.
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

/** What a rank has of what is divided: from `start` up to `end` of `of`. */
export interface LayoutRange {
  /** The first that it has. */
  start: number;
  /** The first that it has no more. */
  end: number;
  /** How many there are. */
  of: number;
}

/**
 * What a layer's partial result is: a part of its last dim, handed on as it is; a summand,
 * completed by an all-reduce; a part that is gathered.
 */
export type OutputPlacement = 'shard' | 'partial' | 'gathered';

/** How one weight is cut. */
export interface ShardedWeight {
  /** The axis along which it is. */
  dim: number;
  /** How long one of what is divided is along it; 1 without it. */
  each?(layer: tf.layers.Layer): number;
}

/** How one layer class is divided by one rule. */
export interface ShardedLayer {
  /** What is divided, in the plural, for errors. */
  what: string;
  /** How many of them the layer has; it is built. */
  count(layer: tf.layers.Layer): number;
  /** By the weight's own name; a weight that is not named is whole on every rank. */
  weights: Record<string, ShardedWeight>;
  /**
   * Whether the layer takes its input whole (its gradient is then completed by an all-reduce) or as
   * a part of the last dim.
   */
  inputPlacement: 'replicate' | 'shard';
  /** By how many dims the input has. */
  outputPlacement(inputRank: number): OutputPlacement;
  /** Tells the layer that it has only a part. */
  localize?(layer: tf.layers.Layer, part: LayoutRange): void;
  /** The partial result from this rank's weights; without it the layer's own `apply`. */
  partial?(layer: tf.layers.Layer, input: tf.Tensor, part: LayoutRange): tf.Tensor;
  /** What follows once the sum is there: bias, activation. */
  finish?(layer: tf.layers.Layer, sum: tf.Tensor): tf.Tensor;
  /** Why this layer cannot be divided so, in words; null where it can. */
  refuses?(layer: tf.layers.Layer): string | null;
}

/** An activation that looks at a whole row cannot work on a part of one. */
export const needsWholeRow = (activation: string) => ['softmax', 'logSoftmax'].includes(activation);

const registry = new Map<string, Map<LayoutRule, ShardedLayer>>();

/**
 * Registers how layers of the class `className` are divided by `rule`; a module of your own does so
 * beside tf.serialization.registerClass. Throws BAD_OPTION.
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

/** The rules that a layer's class has, 'replicated' aside. */
export function rulesFor(layer: tf.layers.Layer): Map<LayoutRule, ShardedLayer> {
  return registry.get(layer.getClassName()) ?? new Map();
}

/** What `rank` of `size` has. */
export function rangeFor(
  sharded: ShardedLayer,
  layer: tf.layers.Layer,
  rank: number,
  size: number,
): LayoutRange {
  const of = sharded.count(layer);
  return {start: partStart(rank, of, size), end: partStart(rank + 1, of, size), of};
}

/** A weight's name without its layer's. */
export const weightName = (originalName: string) =>
  originalName.slice(originalName.lastIndexOf('/') + 1);

/** The cut of one weight, or null where it is whole. */
export function shardOf(
  sharded: ShardedLayer,
  layer: tf.layers.Layer,
  name: string,
  {start, end}: LayoutRange,
): WeightShard | null {
  const weight = sharded.weights[weightName(name)];
  if (!weight) return null;
  const each = weight.each?.(layer) ?? 1;
  return {dim: weight.dim, start: start * each, end: end * each};
}
