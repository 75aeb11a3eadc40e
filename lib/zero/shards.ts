/**
 * A rank's shard of every unit (weights, gradients and optimizer state) and its update (Rajbhandari
 * et al. 2020, "ZeRO", section 5). Every tfjs optimizer works element by element, so the update of
 * a shard equals that part of the full update.
 */
import * as tf from '@tensorflow/tfjs';
import {ArrayTensor} from '../devices/arrayTensor';
import {withMemoryFor} from '../memory';
import {freeStorage} from '../model/freeStorage';
import type {WeightGradient} from '../step/hooks';
import {updateOneByOne} from '../step/update';
import {isFrozen, rememberFrozen, stateOf} from './frozen';
import type {Shard} from './shard';
import type {Unit} from './units';

/** A tensor of the array's values, without a copy if possible; one zero for an empty shard. */
const tensorOf = (view: ArrayTensor): tf.Tensor =>
  view.values.length > 0 ? view.tensor([view.values.length]) : tf.zeros([1]);

export class Shards {
  /**
   * One variable per unit, always in this order, because tfjs stores moments by position. If a
   * rank's shard of a small unit is empty, the variable has one element, which is never read.
   */
  readonly variables: tf.Variable[];
  private readonly weights: ArrayTensor[];
  private readonly gradients: ArrayTensor[];

  /** The values of all shards are overwritten. */
  constructor(readonly byUnit: Shard[]) {
    this.variables = byUnit.map(({weights}) => {
      const variable = tf.tidy(() => tf.variable(tf.zeros([Math.max(1, weights.length)])));
      freeStorage(variable);
      return variable;
    });
    this.weights = withMemoryFor('parameters', () =>
      byUnit.map(({weights}) => new ArrayTensor(weights)),
    );
    this.gradients = byUnit.map(({gradients}) => new ArrayTensor(gradients));
  }

  /** The sum of the squares of this rank's gradients, for the weights that `counts` accepts. */
  squares(counts: (entry: WeightGradient) => boolean): number {
    let sum = 0;
    for (const {unit, start, gradients} of this.byUnit) {
      for (const slice of unit.slices) {
        if (!counts(slice.entry)) continue;
        const from = Math.max(0, slice.start - start);
        const to = Math.max(0, slice.start + slice.length - start);
        for (const value of gradients.subarray(from, to)) sum += value * value;
      }
    }
    return sum;
  }

  /** The first gradient that is NaN or infinite: its unit and its offset there; null if none is. */
  firstNonFinite(): {unit: Unit; offset: number} | null {
    for (const {unit, start, gradients} of this.byUnit) {
      const index = gradients.findIndex((value) => !Number.isFinite(value));
      if (index >= 0) return {unit, offset: start + index};
    }
    return null;
  }

  /** Gives the engine this rank's weights of a unit. */
  private load(index: number): void {
    if (index < this.byUnit.length)
      tf.tidy(() => this.variables[index].assign(tensorOf(this.weights[index])));
  }

  /**
   * Applies the gradients, each times `scale`; frozen weights and their state stay as they are.
   * Without shards the optimizer only counts the step.
   */
  update(optimizer: tf.Optimizer, scale: number): void {
    let restore = () => {};
    // tfjs creates a weight's first moments before it asks for the gradient, so the weight must be
    // loaded before.
    withMemoryFor('temporary', () => this.load(0));
    updateOneByOne(optimizer, this.variables, {
      gradient: (i) => {
        this.load(i + 1);
        const shard = this.byUnit[i];
        if (isFrozen(shard)) return null;
        restore = rememberFrozen(shard, stateOf(optimizer, i));
        const gradient = tensorOf(this.gradients[i]);
        return scale === 1 ? gradient : tf.mul(gradient, scale);
      },
      done: (i) => {
        if (this.byUnit[i].weights.length > 0) this.weights[i].fill(this.variables[i]);
        freeStorage(this.variables[i]);
        restore();
        restore = () => {};
      },
    });
  }

  dispose(): void {
    tf.dispose(this.variables);
    for (const view of [...this.weights, ...this.gradients]) view.dispose();
  }
}
