/**
 * Causal self-attention with several heads, which tfjs lacks.
 */
import * as tf from '@tensorflow/tfjs';
import {checkValue, wholeNumber} from '../../base/options';
import {seedFor} from '../../base/random';
import {lastDim, onlyTensor, type LayerArgs} from './layer';

/** The number and size of the heads, and the seed of their kernels. */
export interface CausalSelfAttentionArgs extends LayerArgs {
  heads: number;
  /** The length of the queries, keys and values of a head. */
  headSize: number;
  seed: number;
}

/**
 * x [samples, sequence, hidden] -> [samples, sequence, hidden]: each position attends to itself and
 * to earlier positions. For each head,
 *
 *   q, k, v = x query, x key, x value;   y = softmax(mask(q k^T / sqrt(headSize))) v,
 *
 * and the output kernel multiplies the concatenated y of all heads.
 *
 * Kernels: query, key and value [hidden, heads * headSize], output [heads * headSize, hidden]. Head h
 * has headSize columns from h * headSize on, or rows of the output kernel. There are no biases: a
 * bias of the keys shifts all scores of a query equally, so its true gradient is zero. Source:
 * Vaswani et al. 2017, "Attention is all you need", section 3.2.
 */
export class CausalSelfAttention extends tf.layers.Layer {
  static readonly className = 'ManyHands>CausalSelfAttention';
  heads: number;
  readonly headSize: number;
  private readonly seed: number;
  private query!: tf.LayerVariable;
  private key!: tf.LayerVariable;
  private value!: tf.LayerVariable;
  private output_!: tf.LayerVariable;

  constructor(args: CausalSelfAttentionArgs) {
    super(args);
    this.heads = checkValue('CausalSelfAttention', 'heads', args.heads, wholeNumber(1));
    this.headSize = checkValue('CausalSelfAttention', 'headSize', args.headSize, wholeNumber(1));
    this.seed = args.seed;
  }

  override build(inputShape: tf.Shape): void {
    const hidden = lastDim(inputShape);
    const inner = this.heads * this.headSize;
    const kernel = (name: string, rows: number, columns: number) =>
      this.addWeight(
        name,
        [rows, columns],
        'float32',
        tf.initializers.glorotUniform({seed: seedFor(this.seed, name)}),
      );
    this.query = kernel('query', hidden, inner);
    this.key = kernel('key', hidden, inner);
    this.value = kernel('value', hidden, inner);
    this.output_ = kernel('output', inner, hidden);
    this.built = true;
  }

  override computeOutputShape(inputShape: tf.Shape): tf.Shape {
    return inputShape;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => {
      const x = onlyTensor(inputs);
      const [samples, sequence, hidden] = x.shape;
      const inner = this.heads * this.headSize;
      const rows = tf.reshape(x, [samples * sequence, hidden]);
      const splitHeads = (t: tf.Tensor) =>
        tf.transpose(tf.reshape(t, [samples, sequence, this.heads, this.headSize]), [0, 2, 1, 3]);
      // Scaling the queries is cheaper than scaling the scores, which are larger.
      const q = splitHeads(
        tf.mul(tf.matMul(rows, this.query.read()), 1 / Math.sqrt(this.headSize)),
      );
      const k = splitHeads(tf.matMul(rows, this.key.read()));
      const v = splitHeads(tf.matMul(rows, this.value.read()));
      const attention = causalSoftmax(tf.matMul(q, k, false, true));
      const joined = tf.reshape(tf.transpose(tf.matMul(attention, v), [0, 2, 1, 3]), [
        samples * sequence,
        inner,
      ]);
      return tf.reshape(tf.matMul(joined, this.output_.read()), [samples, sequence, hidden]);
    });
  }

  override getConfig(): tf.serialization.ConfigDict {
    return {...super.getConfig(), heads: this.heads, headSize: this.headSize, seed: this.seed};
  }
}
tf.serialization.registerClass(CausalSelfAttention);

/** Added to the scores of later positions: their exponentials are exactly 0. */
const MASKED = -1e9;
const masks = new Map<number, Float32Array>();

function causalMask(sequence: number): Float32Array {
  let mask = masks.get(sequence);
  if (!mask) {
    mask = new Float32Array(sequence * sequence);
    for (let row = 0; row < sequence; row++)
      mask.fill(MASKED, row * sequence + row + 1, (row + 1) * sequence);
    masks.set(sequence, mask);
  }
  return mask;
}

/**
 * The softmax of scores [.., query, key] over the keys up to the query; the gradient needs only its
 * output.
 */
function causalSoftmax(scores: tf.Tensor): tf.Tensor {
  const withGradient = tf.customGrad((...inputs) => {
    const [rawScores] = inputs as tf.Tensor[];
    const save = inputs[1] as tf.GradSaveFunc;
    const sequence = rawScores.shape[rawScores.rank - 1];
    const shares = tf.softmax(
      tf.add(rawScores, tf.tensor2d(causalMask(sequence), [sequence, sequence])),
    );
    save([shares]);
    return {
      value: shares,
      gradFunc: (dy, [shares]) => {
        const weighted = tf.mul(dy, shares);
        return tf.sub(weighted, tf.mul(tf.sum(weighted, -1, true), shares));
      },
    };
  });
  return withGradient(scores);
}
