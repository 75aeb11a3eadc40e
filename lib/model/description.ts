/**
 * What a worker needs to rebuild a model. It is plain data, because neither models nor
 * functions can be sent to another process.
 */

/**
 * A loss or metric: a name that tfjs knows, one of tfjs's own functions, or an export of a module
 * that every worker imports.
 */
export type FunctionReference =
  | string
  | {tfjs: 'losses' | 'metrics'; name: string}
  | {module: string; export: string};

export interface WeightDescription {
  /**
   * tfjs's `originalName`, which, unlike `name`, does not depend on other models in the process.
   */
  name: string;
  shape: number[];
  dtype: 'float32' | 'int32' | 'bool';
}

/**
 * An optimizer's state by tfjs's field names. Lists have one entry a trainable weight, in order.
 */
export interface OptimizerState {
  iterations: number;
  lists: Array<{field: string; names: string[]; shapes: number[][]}>;
  scalars: Array<{field: string}>;
  /** The optimizer's numbers and flags, such as its learning rate. */
  fields: OptimizerFields;
}

/** Fields of an optimizer that are plain numbers or flags. */
export type OptimizerFields = Record<string, number | boolean>;

/**
 * What one call of a user's layer draws in training and in evaluation: for each draw, in order, the
 * rows that a sample has in it; 0 for a draw that all samples share.
 */
export interface CallDraws {
  /** The call's index in the model's graph. */
  call: number;
  training: number[];
  evaluation: number[];
}

export interface ModelDescription {
  /** What the model's `getConfig` gives. */
  topology: object;
  className: string;
  loss: FunctionReference | FunctionReference[] | Record<string, FunctionReference>;
  metrics:
    | FunctionReference
    | FunctionReference[]
    | Record<string, FunctionReference | FunctionReference[]>
    | null;
  optimizer: {className: string; config: object};
  optimizerState: OptimizerState;
  /**
   * In the order of `modelWeights`. A shared region holds their values in this order, then the
   * optimizer's state.
   */
  weights: WeightDescription[];
  /** Indices in `weights` of the weights that were trainable when the model was compiled. */
  trainable: number[];
  /** Indices in `weights` of those whose variable is not trainable now: fit leaves them alone. */
  frozen: number[];
  /** Modules that a worker imports before it rebuilds the model. */
  modules: string[];
  /** The calls of users' layers that draw random numbers; the caller fills it in for a training. */
  draws?: CallDraws[];
}
