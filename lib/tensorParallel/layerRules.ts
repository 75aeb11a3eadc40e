/**
 * The layout rules of tfjs's layers and of this library's (Shoeybi et al. 2019,
 * "Megatron-LM", section 3).
 */
import * as tf from '@tensorflow/tfjs';
import {activationName, conv2dFields, denseFields, embeddingFields} from '../model/tfjsLayers';
import type {CausalSelfAttention} from '../models/layers/causalSelfAttention';
import type {TokenEmbedding} from '../models/layers/tokenEmbedding';
import {outOfRange, strayToken} from '../step/layerErrors';
import {needsWholeRow, registerLayout, type LayoutPart} from './rules';

const rowwise = (layer: tf.layers.Layer): string | null => {
  const name = activationName(layer);
  return name && needsWholeRow(name)
    ? `its activation '${name}' needs all of its outputs at once`
    : null;
};

// Y = X A, A = [A_1, A_2] by columns: each rank has a shard of Y.
registerLayout('Dense', 'column', {
  what: 'units',
  count: (layer) => denseFields(layer).units,
  weights: {kernel: {axis: 1}, bias: {axis: 0}},
  inputPlacement: 'replicate',
  outputPlacement: () => 'shard',
  refuses: rowwise,
});

// Y = X_1 A_1 + X_2 A_2, A by rows: each rank has a summand of Y.
registerLayout('Dense', 'row', {
  what: 'inputs',
  count: (layer) => denseFields(layer).kernel.shape[0]!,
  weights: {kernel: {axis: 0}},
  inputPlacement: 'shard',
  outputPlacement: () => 'partial',
  partial: (layer, x) => {
    const kernel = denseFields(layer).kernel.read() as tf.Tensor2D;
    const [inputs, units] = kernel.shape;
    return tf.reshape(tf.matMul(tf.reshape(x, [x.size / inputs, inputs]), kernel), [
      ...x.shape.slice(0, -1),
      units,
    ]);
  },
  finish: (layer, sum) => {
    const {bias, activation} = denseFields(layer);
    const biased = bias ? tf.add(sum, bias.read()) : tf.clone(sum);
    return activation ? activation.apply(biased) : biased;
  },
});

const attention = (layer: tf.layers.Layer) => layer as CausalSelfAttention;
const headSize = (layer: tf.layers.Layer) => attention(layer).headSize;

registerLayout('ManyHands>CausalSelfAttention', 'heads', {
  what: 'heads',
  count: (layer) => attention(layer).heads,
  weights: {
    query: {axis: 1, each: headSize},
    key: {axis: 1, each: headSize},
    value: {axis: 1, each: headSize},
    output: {axis: 0, each: headSize},
  },
  inputPlacement: 'replicate',
  outputPlacement: () => 'partial',
  localize: (layer, {start, end}) => {
    attention(layer).heads = end - start;
  },
});

/** The vectors of the tokens whose rows this rank holds; zeros for the other tokens. */
function lookUp(
  {name}: tf.layers.Layer,
  table: tf.Tensor,
  tokens: tf.Tensor,
  {start, end, of}: LayoutPart,
): tf.Tensor {
  const stray = strayToken(tokens, of);
  if (stray !== null) throw outOfRange(name, stray, of);
  const row = tf.sub(
    tf.reshape(tf.cast(tokens, 'int32'), [tokens.size]),
    tf.scalar(start, 'int32'),
  );
  const held = tf.logicalAnd(
    tf.greaterEqual(row, tf.scalar(0, 'int32')),
    tf.less(row, tf.scalar(end - start, 'int32')),
  );
  const rows = tf.gather(table, tf.mul(row, tf.cast(held, 'int32')) as tf.Tensor1D);
  return tf.reshape(tf.mul(rows, tf.reshape(tf.cast(held, 'float32'), [tokens.size, 1])), [
    ...tokens.shape,
    table.shape[1]!,
  ]);
}

registerLayout('Embedding', 'vocabulary', {
  what: 'rows',
  count: (layer) => embeddingFields(layer).inputDim,
  weights: {embeddings: {axis: 0}},
  inputPlacement: 'replicate',
  outputPlacement: () => 'partial',
  partial: (layer, tokens, part) =>
    lookUp(layer, embeddingFields(layer).embeddings.read(), tokens, part),
});

// Inputs with this number of dims are hidden states: as a language model's head, each rank computes
// the logits of its own tokens.
const HIDDEN_RANK = 3;
registerLayout('ManyHands>TokenEmbedding', 'vocabulary', {
  what: 'tokens',
  count: (layer) => (layer as TokenEmbedding).vocabulary,
  weights: {embeddings: {axis: 0}},
  inputPlacement: 'replicate',
  outputPlacement: (inputRank) => (inputRank === HIDDEN_RANK ? 'gathered' : 'partial'),
  partial: (layer, x, part) => {
    const table = (layer as TokenEmbedding).embeddings.read() as tf.Tensor2D;
    if (x.rank !== HIDDEN_RANK) return lookUp(layer, table, x, part);
    const [samples, sequence, hidden] = x.shape;
    return tf.reshape(tf.matMul(tf.reshape(x, [samples * sequence, hidden]), table, false, true), [
      samples,
      sequence,
      part.end - part.start,
    ]);
  },
});

registerLayout('Conv2D', 'filters', {
  what: 'filters',
  count: (layer) => conv2dFields(layer).filters,
  weights: {kernel: {axis: 3}, bias: {axis: 0}},
  inputPlacement: 'replicate',
  outputPlacement: () => 'gathered',
  refuses: (layer) =>
    conv2dFields(layer).dataFormat === 'channelsFirst'
      ? 'its channels come first, and they are gathered along the last dim'
      : rowwise(layer),
});
