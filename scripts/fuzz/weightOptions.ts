/**
 * Draws the options of a layer's weights: initializers, penalties and constraints.
 */
import type {Draw} from './draw';
import type {Value} from './program';

const PENALTIES = [
  'tf.regularizers.l2({l2: 0.05})',
  'tf.regularizers.l1({l1: 0.02})',
  'tf.regularizers.l1l2({l1: 0.01, l2: 0.02})',
];
const CONSTRAINTS = [
  'tf.constraints.maxNorm({maxValue: 0.6, axis: 0})',
  'tf.constraints.minMaxNorm({minValue: 0.3, maxValue: 0.8})',
  'tf.constraints.unitNorm({axis: 0})',
  'tf.constraints.nonNeg()',
];
const INITIALIZERS: Value[] = [
  'glorotNormal',
  'heUniform',
  'leCunNormal',
  'ones',
  {js: 'tf.initializers.randomUniform({minval: -0.1, maxval: 0.1, seed: 3})'},
  {js: 'tf.initializers.varianceScaling({scale: 2, mode: "fanAvg", distribution: "uniform"})'},
  {js: 'tf.initializers.truncatedNormal({stddev: 0.1})'},
];

/** Options such as kernelRegularizer for a weight of this name. */
function named(draw: Draw, name: string): Record<string, Value> {
  return {
    ...(draw.chance(0.12) ? {[`${name}Regularizer`]: {js: draw.pick(PENALTIES)}} : {}),
    ...(draw.chance(0.08) ? {[`${name}Constraint`]: {js: draw.pick(CONSTRAINTS)}} : {}),
    ...(draw.chance(0.08) ? {[`${name}Initializer`]: draw.pick(INITIALIZERS)} : {}),
  };
}

export const WEIGHTS = {
  named,
  kernel: (draw: Draw) => named(draw, 'kernel'),
  bias: (draw: Draw): Record<string, Value> =>
    draw.chance(0.15) ? {useBias: false} : named(draw, 'bias'),
};
