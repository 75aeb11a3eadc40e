/**
 * Dropout with a mask that does not depend on how a batch is divided among workers and
 * micro-batches.
 */
import * as tf from '@tensorflow/tfjs';
import {checkValue, shareBelow1} from '../../base/options';
import {dropoutWithContext} from '../../base/dropout';
import {stepContext} from '../../base/stepContext';
import {onlyTensor, type LayerArgs} from './layer';

/** The rate of dropout. */
export interface DropoutArgs extends LayerArgs {
  /**
   * The share of elements that is set to 0 in training, in [0, 1); the others are multiplied by 1 /
   * (1 - rate).
   */
  rate: number;
}

/**
 * x -> x * mask in training, x otherwise, for any shape [samples, ...]. In a training step of this
 * library the mask is a function of seed, layer, step, sample and element; in tfjs's `fit` each call
 * draws a new mask.
 */
export class Dropout extends tf.layers.Layer {
  static readonly className = 'ManyHands>Dropout';
  private readonly rate: number;

  constructor(args: DropoutArgs) {
    super(args);
    this.rate = checkValue('Dropout', 'rate', args.rate, shareBelow1);
    this.supportsMasking = true;
  }

  override computeOutputShape(inputShape: tf.Shape): tf.Shape {
    return inputShape;
  }

  override call(inputs: tf.Tensor | tf.Tensor[], kwargs: {training?: boolean} = {}): tf.Tensor {
    const x = onlyTensor(inputs);
    return kwargs.training ? dropoutWithContext(x, this.rate, stepContext()) : x.clone();
  }

  override getConfig(): tf.serialization.ConfigDict {
    return {...super.getConfig(), rate: this.rate};
  }
}
tf.serialization.registerClass(Dropout);
