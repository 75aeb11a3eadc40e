/**
 * The seconds that an optimizer's update of a weight takes, however small the weight is.
 */
import * as tf from '@tensorflow/tfjs';
import {median} from '../base/statistics';
import {siblingOf} from '../memoryEstimate/optimizerSizes';
import {updateOneByOne} from '../step/update';

const ELEMENTS = 16;
const UPDATES = 40;

/** Measures the seconds that this kind of optimizer takes to update a weight of 16 elements. */
export function updateSeconds(optimizer: tf.Optimizer): number {
  const sibling = siblingOf(optimizer);
  const variable = tf.tidy(() => tf.variable(tf.ones([ELEMENTS])));
  const gradient = tf.ones([ELEMENTS]);
  try {
    const times = Array.from({length: UPDATES}, () => {
      const start = performance.now();
      updateOneByOne(sibling, [variable], {gradient: () => gradient});
      return (performance.now() - start) / 1000;
    });
    return median(times.slice(UPDATES / 2));
  } finally {
    tf.dispose([variable, gradient]);
    sibling.dispose();
  }
}
