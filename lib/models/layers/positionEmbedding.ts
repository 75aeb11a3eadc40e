/**
 * A learned vector for each position of a sequence, added to the input at that position.
 */
import * as tf from '@tensorflow/tfjs';
import {checkValue, wholeNumber} from '../../base/options';
import {ManyHandsError} from '../../base/errors';
import {seedFor} from '../../base/random';
import {lastDim, onlyTensor, type LayerArgs} from './layer';

/** The longest sequence, and the seed of the vectors. */
export interface PositionEmbeddingArgs extends LayerArgs {
  /** The length of the longest sequence. */
  sequence: number;
  seed: number;
}

/**
 * x [samples, s, hidden] -> x + positions[0 .. s - 1], for s up to `sequence`. Source: Radford et al.
 * 2018 (GPT).
 */
export class PositionEmbedding extends tf.layers.Layer {
  static readonly className = 'ManyHands>PositionEmbedding';
  private readonly sequence: number;
  private readonly seed: number;
  positions!: tf.LayerVariable;

  constructor(args: PositionEmbeddingArgs) {
    super(args);
    this.sequence = checkValue('PositionEmbedding', 'sequence', args.sequence, wholeNumber(1));
    this.seed = args.seed;
  }

  override build(inputShape: tf.Shape): void {
    const initializer = tf.initializers.randomNormal({
      mean: 0,
      stddev: 0.02,
      seed: seedFor(this.seed, 'positions'),
    });
    this.positions = this.addWeight(
      'positions',
      [this.sequence, lastDim(inputShape)],
      'float32',
      initializer,
    );
    this.built = true;
  }

  override computeOutputShape(inputShape: tf.Shape): tf.Shape {
    return inputShape;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() => {
      const x = onlyTensor(inputs);
      const length = x.shape[1]!;
      if (length > this.sequence) {
        throw new ManyHandsError(
          'BAD_DATA',
          `Layer '${this.name}' has positions 0 to ${this.sequence - 1}, but the sequence has length ${length}: shorten it, or make the model with sequence: ${length}.`,
        );
      }
      const table = this.positions.read();
      return tf.add(x, length === this.sequence ? table : tf.slice(table, [0, 0], [length, -1]));
    });
  }

  override getConfig(): tf.serialization.ConfigDict {
    return {...super.getConfig(), sequence: this.sequence, seed: this.seed};
  }
}
tf.serialization.registerClass(PositionEmbedding);
