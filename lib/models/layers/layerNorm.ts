/**
 * Layer normalization with an explicit gradient. The one of tfjs uses Tile, whose gradient sums a
 * slice for every row of the batch.
 */
import * as tf from '@tensorflow/tfjs';
import {lastDim, onlyTensor, type LayerArgs} from './layer';

/** Options of layer normalization. */
export interface LayerNormArgs extends LayerArgs {
  /** Added to the variance. @default 1e-5 */
  epsilon?: number;
}

/**
 * y = gamma * (x - mean) / sqrt(variance + epsilon) + beta over the last dim; x [..., features],
 * gamma and beta [features]. Source: Ba, Kiros, Hinton 2016, "Layer normalization".
 */
export class LayerNorm extends tf.layers.Layer {
  static readonly className = 'ManyHands>LayerNorm';
  private readonly epsilon: number;
  private gamma!: tf.LayerVariable;
  private beta!: tf.LayerVariable;

  constructor(args: LayerNormArgs = {}) {
    super(args);
    this.epsilon = args.epsilon ?? 1e-5;
    this.supportsMasking = true;
  }

  override build(inputShape: tf.Shape): void {
    const features = lastDim(inputShape);
    this.gamma = this.addWeight('gamma', [features], 'float32', tf.initializers.ones());
    this.beta = this.addWeight('beta', [features], 'float32', tf.initializers.zeros());
    this.built = true;
  }

  override computeOutputShape(inputShape: tf.Shape): tf.Shape {
    return inputShape;
  }

  override call(inputs: tf.Tensor | tf.Tensor[]): tf.Tensor {
    return tf.tidy(() =>
      layerNorm(onlyTensor(inputs), this.gamma.read(), this.beta.read(), this.epsilon),
    );
  }

  override getConfig(): tf.serialization.ConfigDict {
    return {...super.getConfig(), epsilon: this.epsilon};
  }
}
tf.serialization.registerClass(LayerNorm);

function layerNorm(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor, epsilon: number): tf.Tensor {
  const withGradient = tf.customGrad((...inputs) => {
    const [value, scale, shift] = inputs as tf.Tensor[];
    const save = inputs[3] as tf.GradSaveFunc;
    const centred = tf.sub(value, tf.mean(value, -1, true));
    const inverse = tf.rsqrt(tf.add(tf.mean(tf.square(centred), -1, true), epsilon));
    const normal = tf.mul(centred, inverse);
    save([normal, inverse, scale]);
    return {
      value: tf.add(tf.mul(normal, scale), shift),
      gradFunc: (dy, saved) => {
        const [normal, inverse, scale] = saved;
        const rows = dy.shape.slice(0, -1).map((_, axis) => axis);
        const dNormal = tf.mul(dy, scale);
        // Mean and variance depend on every feature. Their gradients subtract the mean of dNormal and
        // its component along `normal`.
        const along = tf.mean(tf.mul(dNormal, normal), -1, true);
        const dx = tf.mul(
          tf.sub(tf.sub(dNormal, tf.mean(dNormal, -1, true)), tf.mul(normal, along)),
          inverse,
        );
        return [dx, tf.sum(tf.mul(dy, normal), rows), tf.sum(dy, rows)];
      },
    };
  });
  return withGradient(x, gamma, beta);
}
