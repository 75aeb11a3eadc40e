/**
 * Which part of a model travels: the whole model before a run, and what a callback changed later.
 */
import type {ModelDescription, OptimizerState} from './description';

/** Weights by their index in the description, and the optimizer's state or null. */
export interface ModelPart {
  weights: readonly number[];
  state: OptimizerState | null;
}

export const NO_STATE: OptimizerState = {iterations: 0, lists: [], scalars: [], fields: {}};

export function wholeOf({weights, optimizerState}: ModelDescription): ModelPart {
  return {weights: [...weights.keys()], state: optimizerState};
}
