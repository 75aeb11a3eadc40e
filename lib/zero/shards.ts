/**
 * Worker side. What one rank owns of every unit: its part of the weights, of the gradients and of the optimizer's state, and the update
 * of it (Rajbhandari et al. 2020, "ZeRO", section 5). Every tfjs optimizer works element by element, so a part is updated as the whole would be.
 */
import * as tf from '@tensorflow/tfjs';
import {withMemoryFor} from '../memory';
import {park} from '../model/park';
import type {WeightGradient} from '../step/hooks';
import {updateInTurn} from '../step/update';
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

export class Shards {
  /**
   * One a unit, always in this order, since tfjs keeps its moments by position. A rank that owns nothing of a small unit has one number there, which nobody
   * reads, so that positions agree.
   */
  readonly variables: tf.Variable[];

  constructor(readonly all: Shard[]) {
    this.variables = all.map(({weights}) => {
      const variable = tf.tidy(() => tf.variable(tf.zeros([Math.max(1, weights.length)])));
      park(variable);
      return variable;
    });
  }

  /** The sum of the squares of this rank's gradients of the weights that `counts` takes. */
  squares(counts: (entry: WeightGradient) => boolean): number {
    let sum = 0;
    for (const {unit: {places}, start, gradients} of this.all) {
      for (const place of places) if (counts(place.entry)) for (const value of gradients.subarray(Math.max(0, place.start - start), Math.max(0, place.start + place.length - start))) sum += value * value;
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

  private load(index: number): void {
    const shard = this.all[index];
    if (!shard) return;
    const values = shard.weights.length > 0 ? shard.weights.slice() : new Float32Array(1);
    withMemoryFor('temporary', () => tf.tidy(() => this.variables[index].assign(tf.tensor1d(values))));
  }

  /** Applies the gradients, each times `scale`. */
  update(optimizer: tf.Optimizer, scale: number): void {
    if (this.all.length === 0) return;
    // tfjs makes a weight's first moments before it asks for the gradient: the weight must be there by then.
    this.load(0);
    updateInTurn(optimizer, this.variables, {
      gradient: (i) => {
        this.load(i + 1);
        const {gradients} = this.all[i];
        const values = gradients.length > 0 ? gradients.slice() : new Float32Array(1);
        if (scale !== 1) for (let j = 0; j < values.length; j++) values[j] *= scale;
        return tf.tensor1d(values);
      },
      done: (i) => {
        const {weights} = this.all[i];
        if (weights.length > 0) weights.set(this.variables[i].dataSync() as Float32Array);
        park(this.variables[i]);
      },
    });
  }

  dispose(): void {
    tf.dispose(this.variables);
  }
}
