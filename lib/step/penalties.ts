/**
 * The penalties on a model's weights (tfjs: regularizers), and which rank counts them.
 */
import type * as tf from '@tensorflow/tfjs';
import {penaltyFunctions} from '../model/tfjsInternals';
import {variablesOf} from '../model/weights';
import {discard, record} from './tape';

export interface Penalty {
  loss: () => tf.Scalar;
  /** The weight that it reads; null if it reads none. */
  variable: tf.Variable | null;
}

/** Whether a rank adds a weight's penalty to the loss, and its gradient to the weight's. */
export type PenaltyCounts = (variable: tf.Variable | null) => {value: boolean; gradient: boolean};

export const countAll: PenaltyCounts = () => ({value: true, gradient: true});

const penalizedWeight = new WeakMap<Penalty['loss'], tf.Variable | null>();

/** tfjs keeps a penalty as a function, and only a tape shows which weight it reads. */
function weightOf(layer: tf.layers.Layer, loss: Penalty['loss']): tf.Variable | null {
  const variables = variablesOf(layer);
  const {
    outputs: [value],
    tape,
  } = record(variables, () => [loss()]);
  value.dispose();
  const read = new Set(tape.nodes.flatMap(({inputs}) => Object.values(inputs).map(({id}) => id)));
  discard(tape);
  return variables.find(({id}) => read.has(id)) ?? null;
}

export const hasPenalties = (layer: tf.layers.Layer) => penaltyFunctions(layer).length > 0;

export function penaltiesOf(layer: tf.layers.Layer): Penalty[] {
  return penaltyFunctions(layer).map((loss) => {
    if (!penalizedWeight.has(loss)) penalizedWeight.set(loss, weightOf(layer, loss));
    return {loss, variable: penalizedWeight.get(loss)!};
  });
}
