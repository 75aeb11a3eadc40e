/**
 * What one rank owns of every unit: its part of the weights, of the gradients and of
 * the optimizer's state, and the update of it (Rajbhandari et al. 2020, "ZeRO", section 5). Every
 * tfjs optimizer works element by element, so a part is updated as the whole would be.
 */
import * as tf from '@tensorflow/tfjs';
import {ArrayTensor} from '../devices/arrayTensor';
import {withMemoryFor} from '../memory';
import {freeStorage} from '../model/freeStorage';
import type {WeightGradient} from '../step/hooks';
import {updateOneByOne} from '../step/update';
import type {Unit} from './units';

/** One unit's part on this rank. */
export interface Shard {
  unit: Unit;
  /** Its elements in the unit: from `start` up to `end`. */
  start: number;
  end: number;
  weights: Float32Array;
  gradients: Float32Array;
}

/**
 * What is in the array, which the engine takes where it lies, if it can; one number for a part that
 * is empty.
 */
const tensorOf = (view: ArrayTensor): tf.Tensor =>
  view.values.length > 0 ? view.tensor([view.values.length]) : tf.zeros([1]);

export class Shards {
  /**
   * One a unit, always in this order, since tfjs keeps its moments by position. A rank that owns
   * nothing of a small unit has one number there, which nobody reads, so that positions agree.
   */
  readonly variables: tf.Variable[];
  private readonly weights: ArrayTensor[];
  private readonly gradients: ArrayTensor[];

  /** The values of all are overwritten. */
  constructor(readonly all: Shard[]) {
    this.variables = all.map(({weights}) => {
      const variable = tf.tidy(() => tf.variable(tf.zeros([Math.max(1, weights.length)])));
      freeStorage(variable);
      return variable;
    });
    this.weights = withMemoryFor('parameters', () =>
      all.map(({weights}) => new ArrayTensor(weights)),
    );
    this.gradients = all.map(({gradients}) => new ArrayTensor(gradients));
  }

  /** The sum of the squares of this rank's gradients of the weights that `counts` takes. */
  squares(counts: (entry: WeightGradient) => boolean): number {
    let sum = 0;
    for (const {
      unit: {places},
      start,
      gradients,
    } of this.all) {
      for (const place of places)
        if (counts(place.entry))
          for (const value of gradients.subarray(
            Math.max(0, place.start - start),
            Math.max(0, place.start + place.length - start),
          ))
            sum += value * value;
    }
    return sum;
  }

  /** The unit and the place in it of the first gradient that is no number; null where all are. */
  broken(): {unit: Unit; at: number} | null {
    for (const {unit, start, gradients} of this.all) {
      const at = gradients.findIndex((value) => !Number.isFinite(value));
      if (at >= 0) return {unit, at: start + at};
    }
    return null;
  }

  /** A unit's part of the weights, in the engine. */
  private load(index: number): void {
    if (index < this.all.length)
      tf.tidy(() => this.variables[index].assign(tensorOf(this.weights[index])));
  }

  /** Applies the gradients, each times `scale`. */
  update(optimizer: tf.Optimizer, scale: number): void {
    if (this.all.length === 0) return;
    // tfjs makes a weight's first moments before it asks for the gradient: the weight must be there
    // by then.
    withMemoryFor('temporary', () => this.load(0));
    updateOneByOne(optimizer, this.variables, {
      gradient: (i) => {
        this.load(i + 1);
        const gradient = tensorOf(this.gradients[i]);
        return scale === 1 ? gradient : tf.mul(gradient, scale);
      },
      done: (i) => {
        if (this.all[i].weights.length > 0) this.weights[i].fill(this.variables[i]);
        freeStorage(this.variables[i]);
      },
    });
  }

  dispose(): void {
    tf.dispose(this.variables);
    for (const view of [...this.weights, ...this.gradients]) view.dispose();
  }
}
