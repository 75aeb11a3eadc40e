/**
 * Memory by formula, for models of any size: the state of a training, and the activations
 * of a transformer.
 */
import {ManyHandsError, oneOf, shown} from '../base/errors';

/** Bytes a parameter for weights, gradients and the optimizer's state. */
export interface Recipe {
  /** Bytes a parameter of the weights. */
  parameters: number;
  /** Bytes a parameter of the gradients. */
  gradients: number;
  /** Bytes a parameter of the optimizer's state. */
  optimizer: number;
}

/**
 * Adam's recipes. `float32`: 4 + 4 + 8, both moments in float32. `mixed`: 2 + 2 + 12, weights and
 * gradients in 16 bits, and in float32 a master copy of the weights and both moments (Rajbhandari
 * et al. 2020, "ZeRO", section 3.1, K = 12). Both are 16 bytes a parameter.
 */
export const RECIPES: Readonly<Record<'float32' | 'mixed', Recipe>> = {
  float32: {parameters: 4, gradients: 4, optimizer: 8},
  mixed: {parameters: 2, gradients: 2, optimizer: 12},
};

function checkedNumber(
  call: string,
  name: string,
  value: unknown,
  least: number,
  integer = true,
): number {
  if (
    typeof value !== 'number' ||
    !Number.isFinite(value) ||
    value < least ||
    (integer && !Number.isInteger(value))
  ) {
    throw new ManyHandsError(
      'BAD_OPTION',
      `${call}: ${name} must be a ${integer ? 'whole ' : ''}number from ${least}; it is ${shown(value)}.`,
    );
  }
  return value;
}

/** The size of a model, and how its state is divided. */
export interface StateOptions {
  /** The number of parameters, Ψ. */
  parameters: number;
  /** The stage of ZeRO. @default 0 */
  zero?: 0 | 1 | 2 | 3;
  /** The number of devices that share the state, N_d. @default 1 */
  devices?: number;
  /** Bytes a parameter, or the name of a recipe. @default 'float32' */
  recipe?: 'float32' | 'mixed' | Recipe;
}

/**
 * Bytes of parameters, gradients and optimizer state on each device: with Ψ parameters, stage 1
 * divides the optimizer's part by N_d, stage 2 the gradients' too, stage 3 all of it (Rajbhandari
 * et al. 2020, section 5 and table 1). Throws BAD_OPTION.
 */
export function modelStateBytes(options: StateOptions): Recipe & {total: number} {
  const call = 'modelStateBytes';
  const {zero = 0, devices = 1, recipe: named = 'float32'} = options;
  const count = checkedNumber(call, 'parameters', options.parameters, 1);
  checkedNumber(call, 'devices', devices, 1);
  if (![0, 1, 2, 3].includes(zero))
    throw new ManyHandsError(
      'BAD_OPTION',
      `${call}: zero must be 0, 1, 2 or 3; it is ${shown(zero)}.`,
    );
  const recipe = typeof named === 'string' ? RECIPES[named] : named;
  if (!recipe)
    throw new ManyHandsError(
      'BAD_OPTION',
      `${call}: recipe must be ${oneOf(Object.keys(RECIPES))}, or {parameters, gradients, optimizer} in bytes; it is ${shown(named)}.`,
    );
  for (const part of ['parameters', 'gradients', 'optimizer'] as const)
    checkedNumber(call, `recipe.${part}`, recipe[part], 0, false);
  const share = (bytes: number, from: number) => (count * bytes) / (zero >= from ? devices : 1);
  const bytes = {
    parameters: share(recipe.parameters, 3),
    gradients: share(recipe.gradients, 2),
    optimizer: share(recipe.optimizer, 1),
  };
  return {...bytes, total: bytes.parameters + bytes.gradients + bytes.optimizer};
}

/** A transformer's sizes. */
export interface TransformerSizes {
  /** Blocks, l. */
  layers: number;
  /** The length of the vector at each position, h. */
  hidden: number;
  /** Attention heads, a. */
  heads: number;
  /** The size of the vocabulary, V. */
  vocab: number;
  /** Tokens a sample, s. */
  sequence: number;
  /** The width between a block's two feed-forward layers, f. @default 4 × hidden */
  ffn?: number;
}

/**
 * P = 12 l h² (1 + 13/(12 h) + (V + s)/(12 l h)) (Narayanan et al. 2021, "Efficient large-scale
 * language model training", equation 2). With a feed-forward width f, a block
 * has 4 h² + 2 h f weights, and 9 h + f biases and scales: the same at f = 4 h. Throws BAD_OPTION.
 */
export function transformerParameters({
  layers: l,
  hidden: h,
  vocab: v,
  sequence: s,
  ffn: f = 4 * h,
}: Omit<TransformerSizes, 'heads'>): number {
  for (const [name, value] of Object.entries({layers: l, hidden: h, vocab: v, sequence: s, ffn: f}))
    checkedNumber('transformerParameters', name, value, 1);
  return l * (4 * h * h + 2 * h * f + 9 * h + f) + (v + s) * h;
}

/** How activations are computed and kept. */
export interface ActivationOptions {
  /** Samples of a micro-batch, b. */
  batch: number;
  /**
   * Bytes of a number: 2 in mixed precision, 4 in float32. A dropout mask always takes one byte an
   * element. @default 2
   */
  bytes?: 2 | 4;
  /**
   * `selective` recomputes the attention scores, `full` recomputes every layer from its input.
   * @default 'none'
   */
  recompute?: 'none' | 'selective' | 'full';
  /** Tensor-parallel devices, t. @default 1 */
  tensor?: number;
  /** Whether these devices also divide the sequence between the sharded layers. @default false */
  sequenceParallel?: boolean;
}

/**
 * Bytes of the activations that the layers of a transformer keep for their backward on each device:
 * a layer takes s b h (10 + 24/t + 5 a s/(h t)) in 16 bits, and with sequence parallelism all of it
 * by t; selective recompute leaves the term with a away, full recompute leaves 2 s b h (Korthikanti
 * et al. 2022, "Reducing activation recomputation in large transformer models", table 2). Of the
 * 24, 16 are 4 f/h of two tensors between the feed-forward layers. In float32 numbers double and
 * dropout's masks do not: s b h (66 + 9 a s/h) at t = 1. Embedding and logits are not in it. Throws
 * BAD_OPTION.
 */
export function activationBytes(
  {layers, hidden: h, heads: a, sequence: s, ffn: f = 4 * h}: Omit<TransformerSizes, 'vocab'>,
  options: ActivationOptions,
): number {
  const call = 'activationBytes';
  for (const [name, value] of Object.entries({layers, hidden: h, heads: a, sequence: s, ffn: f}))
    checkedNumber(call, name, value, 1);
  const {bytes: e = 2, recompute = 'none', tensor: t = 1, sequenceParallel = false} = options;
  const b = checkedNumber(call, 'batch', options.batch, 1);
  checkedNumber(call, 'tensor', t, 1);
  if (e !== 2 && e !== 4)
    throw new ManyHandsError('BAD_OPTION', `${call}: bytes must be 2 or 4; it is ${shown(e)}.`);
  if (!['none', 'selective', 'full'].includes(recompute))
    throw new ManyHandsError(
      'BAD_OPTION',
      `${call}: recompute must be ${oneOf(['none', 'selective', 'full'])}; it is ${shown(recompute)}.`,
    );
  const undivided = sequenceParallel ? t : 1;
  if (recompute === 'full') return (layers * e * s * b * h) / undivided;
  // Replicated on every device: 4 tensors of the layer's width and 2 masks. Sharded: 4 tensors of
  // that width, 2 of width f, and the scores.
  const replicated = (4 * e + 2) / undivided;
  const scores = recompute === 'selective' ? 0 : ((2 * e + 1) * a * s) / (h * t);
  return layers * s * b * h * (replicated + ((4 + (2 * f) / h) * e) / t + scores);
}
