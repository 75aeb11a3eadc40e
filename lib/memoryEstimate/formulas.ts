/**
 * Memory by formula, for models of any size: the state of a training, and the activations
 * of a transformer.
 */
import {
  either,
  anObject,
  nameFrom,
  numberAmong,
  numberFrom,
  readOptions,
  trueOrFalse,
  wholeNumber,
  type OptionTable,
} from '../base/options';

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

/** What of a training is divided among how many devices. */
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

const STATE_OPTIONS: OptionTable<StateOptions> = {
  parameters: wholeNumber(1),
  'zero?': numberAmong([0, 1, 2, 3]),
  'devices?': wholeNumber(1),
  'recipe?': either(nameFrom(Object.keys(RECIPES)), {
    ...anObject,
    expected: '{parameters, gradients, optimizer} in bytes',
  }),
};

const bytesEach = numberFrom(0, 'bytes');
/** The checks of a recipe that is given in bytes. */
export const RECIPE_OPTIONS: OptionTable<Recipe> = {
  parameters: bytesEach,
  gradients: bytesEach,
  optimizer: bytesEach,
};

/**
 * Bytes of parameters, gradients and optimizer state on each device: with Ψ parameters, stage 1
 * divides the optimizer's part by N_d, stage 2 the gradients' too, stage 3 all of it (Rajbhandari
 * et al. 2020, section 5 and table 1). Throws BAD_OPTION.
 */
export function modelStateBytes(options: StateOptions): Recipe & {total: number} {
  const {
    parameters: count,
    zero = 0,
    devices = 1,
    recipe: named = 'float32',
  } = readOptions('modelStateBytes', options, STATE_OPTIONS);
  const recipe =
    typeof named === 'string'
      ? RECIPES[named]
      : readOptions('modelStateBytes', named, RECIPE_OPTIONS, {path: 'recipe'});
  const share = (bytes: number, from: number) => (count * bytes) / (zero >= from ? devices : 1);
  const parts = {
    parameters: share(recipe.parameters, 3),
    gradients: share(recipe.gradients, 2),
    optimizer: share(recipe.optimizer, 1),
  };
  return {...parts, total: parts.parameters + parts.gradients + parts.optimizer};
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

/** The checks of a transformer's sizes. */
const SIZE_OPTIONS: OptionTable<TransformerSizes> = {
  layers: wholeNumber(1),
  hidden: wholeNumber(1),
  heads: wholeNumber(1),
  vocab: wholeNumber(1),
  sequence: wholeNumber(1),
  'ffn?': wholeNumber(1),
};
const {heads, vocab, ...shared} = SIZE_OPTIONS;
/** Neither formula needs all sizes; a spec that has the others may be passed as it is. */
type ParameterSizes = Omit<TransformerSizes, 'heads'> & {heads?: number};
type ActivationSizes = Omit<TransformerSizes, 'vocab'> & {vocab?: number};
const PARAMETER_SIZES: OptionTable<ParameterSizes> = {...shared, vocab, 'heads?': heads};
const ACTIVATION_SIZES: OptionTable<ActivationSizes> = {...shared, heads, 'vocab?': vocab};

/**
 * P = 12 l h² (1 + 13/(12 h) + (V + s)/(12 l h)) (Narayanan et al. 2021, "Efficient large-scale
 * language model training", equation 2). With a feed-forward width f, a block
 * has 4 h² + 2 h f weights, and 9 h + f biases and scales: the same at f = 4 h. Throws BAD_OPTION.
 */
export function transformerParameters(sizes: Omit<TransformerSizes, 'heads'>): number {
  const {
    layers: l,
    hidden: h,
    vocab: v,
    sequence: s,
    ffn: f = 4 * h,
  } = readOptions<ParameterSizes>('transformerParameters', sizes, PARAMETER_SIZES);
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

const ACTIVATION_OPTIONS: OptionTable<ActivationOptions> = {
  batch: wholeNumber(1),
  'bytes?': numberAmong([2, 4]),
  'recompute?': nameFrom(['none', 'selective', 'full']),
  'tensor?': wholeNumber(1),
  'sequenceParallel?': trueOrFalse,
};

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
  sizes: Omit<TransformerSizes, 'vocab'>,
  options: ActivationOptions,
): number {
  const call = 'activationBytes';
  const {
    layers,
    hidden: h,
    heads: a,
    sequence: s,
    ffn: f = 4 * h,
  } = readOptions<ActivationSizes>(call, sizes, ACTIVATION_SIZES);
  const {
    batch: b,
    bytes: e = 2,
    recompute = 'none',
    tensor: t = 1,
    sequenceParallel = false,
  } = readOptions(call, options, ACTIVATION_OPTIONS);
  const undivided = sequenceParallel ? t : 1;
  if (recompute === 'full') return (layers * e * s * b * h) / undivided;
  // Replicated on every device: 4 tensors of the layer's width and 2 masks. Sharded: 4 tensors of
  // that width, 2 of width f, and the scores.
  const replicated = (4 * e + 2) / undivided;
  const scores = recompute === 'selective' ? 0 : ((2 * e + 1) * a * s) / (h * t);
  return layers * s * b * h * (replicated + ((4 + (2 * f) / h) * e) / t + scores);
}
