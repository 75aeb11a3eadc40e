/**
 * A small GPT-style language model made of layers, in named blocks that the strategies split, shard
 * and recompute.
 */
import * as tf from '@tensorflow/tfjs';
import {
  readOptions,
  refuseOption,
  shareBelow1,
  trueOrFalse,
  wholeNumber,
  type OptionTable,
} from '../base/options';
import {seedFor} from '../base/random';
import {COMPILE_OPTIONS, compiled, DEFAULT_SEED, glorot, he, type CompileOptions} from './compiled';
import {CausalSelfAttention, Dropout, LayerNorm, PositionEmbedding, TokenEmbedding} from './layers';

/** The number and width of the blocks, and the tokens. */
export interface TransformerOptions extends CompileOptions {
  /** The number of blocks. @default 2 */
  layers?: number;
  /** The length of the vector at each position of the sequence. @default 64 */
  hidden?: number;
  /** Attention heads, a divisor of `hidden`. @default 4 */
  heads?: number;
  /** The inner width of the feed-forward part of a block. Default: 4 * hidden. */
  ffn?: number;
  /** The number of different tokens. @default 96, those of the text corpus */
  vocab?: number;
  /** Tokens per sample. @default 64 */
  sequence?: number;
  /**
   * The share of activations that is dropped in training, after the embedding and in each branch.
   * @default 0
   */
  dropout?: number;
  /** Whether the logits use the table of the embedding instead of a separate head. @default false */
  tied?: boolean;
}

const OPTIONS: OptionTable<TransformerOptions> = {
  ...COMPILE_OPTIONS,
  'layers?': wholeNumber(1),
  'hidden?': wholeNumber(1),
  'heads?': wholeNumber(1),
  'ffn?': wholeNumber(1),
  'vocab?': wholeNumber(2),
  'sequence?': wholeNumber(1),
  'dropout?': shareBelow1,
  'tied?': trueOrFalse,
};

type Symbolic = tf.SymbolicTensor;

/**
 * Makes a language model that maps tokens [samples, sequence] to the probabilities of the next token
 * at each position, [samples, sequence, vocab]. Compiled with adam and
 * 'sparseCategoricalCrossentropy'; targets are [samples, sequence, 1].
 *
 * Layers, with those for dropout in parentheses: `tokens` (the input), `embedding`, `positions`,
 * (`dropout`); in each block `block_i/norm_1`, `block_i/attention`, (`block_i/dropout_1`),
 * `block_i/add_1`, `block_i/norm_2`, `block_i/up` (ReLU), `block_i/down`, (`block_i/dropout_2`) and
 * `block_i/add_2`; then `norm` and `head`, or with `tied` `embedding` again and `probabilities`.
 * Each branch begins with normalization (Xiong et al. 2020), and every skip connection stays inside
 * its block. ReLU replaces GELU, which takes many operations in tfjs.
 *
 * Parameters, with h hidden, f ffn: vocab h + sequence h + layers (4 h^2 + 2 h f + f + 5 h) + 2 h +
 * (tied ? 0 : h vocab). With f = 4 h a block has 12 h^2 + 9 h; the default has 115,968. Throws
 * BAD_OPTION for an unknown or invalid option.
 */
export function transformer(options: TransformerOptions = {}): tf.LayersModel {
  const {
    seed = DEFAULT_SEED,
    layers = 2,
    hidden = 64,
    heads = 4,
    ffn = 4 * hidden,
    vocab: vocabulary = 96,
    sequence = 64,
    dropout = 0,
    tied = false,
  } = readOptions('transformer', options, OPTIONS);
  if (hidden % heads !== 0)
    refuseOption(
      `transformer: hidden (${hidden}) is divided among ${heads} heads, which leaves ${hidden % heads} over: make hidden a multiple of heads, for example ${heads * Math.ceil(hidden / heads)}.`,
    );
  const drop = (name: string, x: Symbolic) =>
    dropout > 0 ? (new Dropout({name, rate: dropout}).apply(x) as Symbolic) : x;

  function block(i: number, x: Symbolic): Symbolic {
    const name = (part: string) => `block_${i}/${part}`;
    const attended = [
      new LayerNorm({name: name('norm_1')}),
      new CausalSelfAttention({
        name: name('attention'),
        heads,
        headSize: hidden / heads,
        seed: seedFor(seed, name('attention')),
      }),
    ].reduce((t, layer) => layer.apply(t) as Symbolic, x);
    const middle = tf.layers
      .add({name: name('add_1')})
      .apply([x, drop(name('dropout_1'), attended)]) as Symbolic;
    const fed = [
      new LayerNorm({name: name('norm_2')}),
      tf.layers.dense({
        name: name('up'),
        units: ffn,
        activation: 'relu',
        kernelInitializer: he(seed, name('up')),
      }),
      tf.layers.dense({
        name: name('down'),
        units: hidden,
        kernelInitializer: glorot(seed, name('down')),
      }),
    ].reduce((t, layer) => layer.apply(t) as Symbolic, middle);
    return tf.layers
      .add({name: name('add_2')})
      .apply([middle, drop(name('dropout_2'), fed)]) as Symbolic;
  }

  const tokens = tf.input({name: 'tokens', shape: [sequence], dtype: 'int32'});
  const embedding = new TokenEmbedding({
    name: 'embedding',
    vocabulary,
    hidden,
    seed: seedFor(seed, 'embedding'),
  });
  const positions = new PositionEmbedding({
    name: 'positions',
    sequence,
    seed: seedFor(seed, 'positions'),
  });
  let x = drop('dropout', positions.apply(embedding.apply(tokens)) as Symbolic);
  for (let i = 0; i < layers; i++) x = block(i, x);
  x = new LayerNorm({name: 'norm'}).apply(x) as Symbolic;
  const probabilities = tied
    ? tf.layers
        .activation({name: 'probabilities', activation: 'softmax'})
        .apply(embedding.apply(x) as Symbolic)
    : tf.layers
        .dense({
          name: 'head',
          units: vocabulary,
          useBias: false,
          activation: 'softmax',
          kernelInitializer: glorot(seed, 'head'),
        })
        .apply(x);
  const model = tf.model({name: 'transformer', inputs: tokens, outputs: probabilities as Symbolic});
  return compiled(model, options, {
    optimizer: () => tf.train.adam(),
    loss: 'sparseCategoricalCrossentropy',
    metrics: ['accuracy'],
  });
}
