/**
 * Causal self-attention with several heads, which tfjs does not export.
 */
import * as tf from '@tensorflow/tfjs';
import {wholeNumber} from '../../base/checks';
import {seedFor} from '../../base/random';
import {lastDim, onlyTensor, type LayerArgs} from './layer';

/** How many heads, how wide, and the seed of their kernels. */
export interface CausalSelfAttentionArgs extends LayerArgs {
  heads: number;
  /** The length of a head's queries, keys and values. */
  headSize: number;
  seed: number;
}

/**
 * x [samples, sequence, hidden] -> [samples, sequence, hidden]: each place looks at itself and the
 * places before it.
 *
 *   q, k, v = x query, x key, x value, cut into heads;   softmax(q k^T / sqrt(headSize), not ahead)
 * v, joined;   times output.
 *
 * Kernels: query, key, value [hidden, heads * headSize] and output [heads * headSize, hidden]; head
 * h owns columns (of output: rows) h * headSize on. There are no biases: a key's bias shifts all
 * scores of a query alike, so its true gradient is zero. Source: Vaswani et al. 2017, "Attention is
 * all you need", 3.2.
 */
export class CausalSelfAttention extends tf.layers.Layer {
  static readonly className = 'ManyHands>CausalSelfAttention';
  private heads: number;
  private readonly headSize: number;
  private readonly seed: number;
  private query!: tf.LayerVariable;
  private key!: tf.LayerVariable;
  private value!: tf.LayerVariable;
  private output_!: tf.LayerVariable;

  constructor(args: CausalSelfAttentionArgs) {
    super(args);
    this.heads = wholeNumber('CausalSelfAttention', 'heads', args.heads, 1);
    this.headSize = wholeNumber('CausalSelfAttention', 'headSize', args.headSize, 1);
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
      const cut = (t: tf.Tensor) =>
        tf.transpose(tf.reshape(t, [samples, sequence, this.heads, this.headSize]), [0, 2, 1, 3]);
      // The scale goes to the queries, which are smaller than the scores.
      const q = cut(tf.mul(tf.matMul(rows, this.query.read()), 1 / Math.sqrt(this.headSize)));
      const k = cut(tf.matMul(rows, this.key.read()));
      const v = cut(tf.matMul(rows, this.value.read()));
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

/** Added to the score of a place ahead: its exponential is exactly 0. */
const AHEAD = -1e9;
const masks = new Map<number, Float32Array>();

function causalMask(sequence: number): Float32Array {
  let mask = masks.get(sequence);
  if (!mask) {
    mask = new Float32Array(sequence * sequence);
    for (let row = 0; row < sequence; row++)
      mask.fill(AHEAD, row * sequence + row + 1, (row + 1) * sequence);
    masks.set(sequence, mask);
  }
  return mask;
}

/**
 * The softmax of scores [.., query, key] over the keys up to the query; only its output is kept for
 * the gradient.
 */
function causalSoftmax(scores: tf.Tensor): tf.Tensor {
  const withGradient = tf.customGrad((...inputs) => {
    const [given] = inputs as tf.Tensor[];
    const save = inputs[1] as tf.GradSaveFunc;
    const sequence = given.shape[given.rank - 1];
    const shares = tf.softmax(
      tf.add(given, tf.tensor2d(causalMask(sequence), [sequence, sequence])),
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
