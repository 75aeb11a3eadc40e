/**
 * Measures the memory that an optimizer keeps for each weight and needs during its update,
 * with a new optimizer of the same kind.
 */
import * as tf from '@tensorflow/tfjs';
import {withMeter, type MemoryMeter} from '../memory';
import {describeState, slotLists, stateTensors, withoutRate} from '../model/optimizerState';
import {optimizerFromConfig} from '../model/tfjsInternals';
import {updateOneByOne} from '../step/update';

export interface OptimizerSizes {
  /** Bytes of state an element of a weight. */
  state: number;
  /** Bytes of state for all weights together: scalars. */
  fixed: number;
  /** Bytes an element of the weight that is being updated, during its update. */
  update: number;
}

const ELEMENTS = 4096;

/** A new optimizer of the same class and configuration. */
export function siblingOf(optimizer: tf.Optimizer): tf.Optimizer {
  return optimizerFromConfig(optimizer.getClassName(), optimizer.getConfig())!;
}

export function optimizerSizes(optimizer: tf.Optimizer): OptimizerSizes {
  return withMeter((meter) => sizesOf(optimizer, meter));
}

function sizesOf(optimizer: tf.Optimizer, meter: MemoryMeter): OptimizerSizes {
  const sibling = siblingOf(optimizer);
  const variable = tf.tidy(() => tf.variable(tf.ones([ELEMENTS])));
  const gradient = tf.ones([ELEMENTS]);
  try {
    const step = () => updateOneByOne(sibling, [variable], {gradient: () => gradient});
    step();
    meter.resetPeak();
    const before = meter.liveBytes;
    step();
    const state = slotLists(sibling).filter(([first]) => first).length * 4;
    const totalBytes = stateTensors(sibling, withoutRate(describeState(sibling))).reduce(
      (bytes, tensor) => bytes + 4 * tensor.size,
      0,
    );
    return {
      state,
      fixed: totalBytes - state * ELEMENTS,
      update: Math.floor((meter.peakBytes - before) / ELEMENTS),
    };
  } finally {
    sibling.dispose();
    tf.dispose([variable, gradient]);
  }
}
