/**
 * The rules of tfjs's layers and of ours (Shoeybi et al. 2019, "Megatron-LM", section
 * 3).
 */
import * as tf from '@tensorflow/tfjs';
import {isRowwise, registerLayout, type LayoutPart} from './rules';

interface DenseLike {
  units: number;
  kernel: tf.LayerVariable;
  bias: tf.LayerVariable | null;
  activation: {apply(x: tf.Tensor): tf.Tensor; getClassName(): string} | null;
}
const dense = (layer: tf.layers.Layer) => layer as unknown as DenseLike;

const rowwise = (layer: tf.layers.Layer): string | null => {
  const name = dense(layer).activation?.getClassName();
  return name && isRowwise(name)
    ? `its activation '${name}' needs all of its outputs at once`
    : null;
};

// Y = X A, A = [A_1, A_2] by columns: each rank has its own part of Y.
registerLayout('Dense', 'column', {
  what: 'units',
  count: (layer) => dense(layer).units,
  weights: {kernel: {axis: 1}, bias: {axis: 0}},
  inputPlacement: 'replicate',
  outputPlacement: () => 'shard',
  refuses: rowwise,
});

// Y = X_1 A_1 + X_2 A_2, A by rows: each rank has a summand.
registerLayout('Dense', 'row', {
  what: 'inputs',
  count: (layer) => dense(layer).kernel.shape[0]!,
  weights: {kernel: {axis: 0}},
  inputPlacement: 'shard',
  outputPlacement: () => 'partial',
  partial: (layer, x) => {
    const kernel = dense(layer).kernel.read() as tf.Tensor2D;
    const [inputs, units] = kernel.shape;
    return tf.reshape(tf.matMul(tf.reshape(x, [x.size / inputs, inputs]), kernel), [
      ...x.shape.slice(0, -1),
      units,
    ]);
  },
  finish: (layer, sum) => {
    const {bias, activation} = dense(layer);
    const biased = bias ? tf.add(sum, bias.read()) : tf.clone(sum);
    return activation ? activation.apply(biased) : biased;
  },
});

interface AttentionLike {
  heads: number;
  headSize: number;
}
const attention = (layer: tf.layers.Layer) => layer as unknown as AttentionLike;
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

/** The vectors of the tokens whose rows this rank has; zeros for the others. */
function lookUp(table: tf.Tensor, tokens: tf.Tensor, {start, end}: LayoutPart): tf.Tensor {
  const at = tf.sub(tf.reshape(tf.cast(tokens, 'int32'), [tokens.size]), tf.scalar(start, 'int32'));
  const here = tf.logicalAnd(
    tf.greaterEqual(at, tf.scalar(0, 'int32')),
    tf.less(at, tf.scalar(end - start, 'int32')),
  );
  const rows = tf.gather(table, tf.mul(at, tf.cast(here, 'int32')) as tf.Tensor1D);
  return tf.reshape(tf.mul(rows, tf.reshape(tf.cast(here, 'float32'), [tokens.size, 1])), [
    ...tokens.shape,
    table.shape[1]!,
  ]);
}

interface TableLike {
  embeddings: tf.LayerVariable;
  vocabulary: number;
  inputDim: number;
}
const tableOf = (layer: tf.layers.Layer) => layer as unknown as TableLike;

registerLayout('Embedding', 'vocabulary', {
  what: 'rows',
  count: (layer) => tableOf(layer).inputDim,
  weights: {embeddings: {axis: 0}},
  inputPlacement: 'replicate',
  outputPlacement: () => 'partial',
  partial: (layer, tokens, part) => lookUp(tableOf(layer).embeddings.read(), tokens, part),
});

// Read backward, as a language model's head, each rank has the logits of its own tokens.
const LOGITS = 3;
registerLayout('ManyHands>TokenEmbedding', 'vocabulary', {
  what: 'tokens',
  count: (layer) => tableOf(layer).vocabulary,
  weights: {embeddings: {axis: 0}},
  inputPlacement: 'replicate',
  outputPlacement: (inputRank) => (inputRank === LOGITS ? 'gathered' : 'partial'),
  partial: (layer, x, part) => {
    const table = tableOf(layer).embeddings.read() as tf.Tensor2D;
    if (x.rank !== LOGITS) return lookUp(table, x, part);
    const [samples, sequence, hidden] = x.shape;
    return tf.reshape(tf.matMul(tf.reshape(x, [samples * sequence, hidden]), table, false, true), [
      samples,
      sequence,
      part.end - part.start,
    ]);
  },
});

interface ConvLike {
  filters: number;
  dataFormat: string;
}

registerLayout('Conv2D', 'filters', {
  what: 'filters',
  count: (layer) => (layer as unknown as ConvLike).filters,
  weights: {kernel: {axis: 3}, bias: {axis: 0}},
  inputPlacement: 'replicate',
  outputPlacement: () => 'gathered',
  refuses: (layer) =>
    (layer as unknown as ConvLike).dataFormat === 'channelsFirst'
      ? 'its channels come first, and they are gathered along the last dim'
      : rowwise(layer),
});
