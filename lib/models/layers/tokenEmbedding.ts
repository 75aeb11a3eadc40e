/**
 * A table with a vector for each token, which can also serve as the head of a language model.
 */
import * as tf from '@tensorflow/tfjs';
import {checkValue, wholeNumber} from '../../base/options';
import {seedFor} from '../../base/random';
import {onlyTensor, type LayerArgs} from './layer';

/** The number of tokens, the length of their vectors, and the seed. */
export interface TokenEmbeddingArgs extends LayerArgs {
  /** The number of different tokens. */
  vocabulary: number;
  /** The length of a token's vector. */
  hidden: number;
  seed: number;
}

/**
 * Tokens [samples, sequence] -> their vectors [samples, sequence, hidden]. Applied again to vectors
 * [samples, sequence, hidden], it returns a logit for each token, [samples, sequence, vocabulary]:
 * input and output embeddings are then tied (Press and Wolf 2017). TensorFlow throws for a token
 * outside 0 to vocabulary - 1.
 */
export class TokenEmbedding extends tf.layers.Layer {
  static readonly className = 'ManyHands>TokenEmbedding';
  readonly vocabulary: number;
  private readonly hidden: number;
  private readonly seed: number;
  embeddings!: tf.LayerVariable;

  constructor(args: TokenEmbeddingArgs) {
    super(args);
    this.vocabulary = checkValue('TokenEmbedding', 'vocabulary', args.vocabulary, wholeNumber(1));
    this.hidden = checkValue('TokenEmbedding', 'hidden', args.hidden, wholeNumber(1));
    this.seed = args.seed;
  }

  override build(): void {
    const initializer = tf.initializers.randomNormal({
      mean: 0,
      stddev: 0.02,
      seed: seedFor(this.seed, 'embeddings'),
    });
    this.embeddings = this.addWeight(
      'embeddings',
      [this.vocabulary, this.hidden],
      'float32',
      initializer,
    );
    this.built = true;
  }

  override computeOutputShape(inputShape: tf.Shape): tf.Shape {
    return inputShape.length === 3
      ? [inputShape[0], inputShape[1], this.vocabulary]
      : [...inputShape, this.hidden];
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => {
      const x = onlyTensor(inputs);
      const table = this.embeddings.read();
      if (x.rank === 3) {
        const [samples, sequence] = x.shape;
        const logits = tf.matMul(
          tf.reshape(x, [samples * sequence, this.hidden]),
          table,
          false,
          true,
        );
        return tf.reshape(logits, [samples, sequence, this.vocabulary]);
      }
      const tokens = tf.reshape(x.dtype === 'int32' ? x : tf.cast(x, 'int32'), [x.size]);
      return tf.reshape(tf.gather(table, tokens as tf.Tensor1D), [...x.shape, this.hidden]);
    });
  }

  override getConfig(): tf.serialization.ConfigDict {
    return {
      ...super.getConfig(),
      vocabulary: this.vocabulary,
      hidden: this.hidden,
      seed: this.seed,
    };
  }
}
tf.serialization.registerClass(TokenEmbedding);
