/**
 * What a worker needs to rebuild a model: plain data, since neither a model nor a
 * function crosses processes.
 */

/**
 * A name that tfjs knows, one of tfjs's own loss or metric functions, or an export of a module that
 * every worker imports.
 */
export type FunctionReference =
  | string
  | {tfjs: 'losses' | 'metrics'; name: string}
  | {module: string; export: string};

export interface WeightDescription {
  /** tfjs's `originalName`: unlike `name` it does not depend on what else the process has made. */
  name: string;
  shape: number[];
  dtype: 'float32' | 'int32' | 'bool';
}

/**
 * An optimizer's state by tfjs's field names: lists go by position, one entry a trainable weight.
 */
export interface OptimizerState {
  iterations: number;
  lists: Array<{field: string; names: string[]; shapes: number[][]}>;
  scalars: Array<{field: string}>;
}

export interface ModelDescription {
  /** tfjs's `toJSON`. */
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
   * In the order of `model.weights`; the values lie in a region, in this order, and the optimizer's
   * state after them.
   */
  weights: WeightDescription[];
  /** Places in `weights` of the trainable ones, as compile() fixed them. */
  trainable: number[];
  /** Modules that a worker imports before it rebuilds the model. */
  modules: string[];
}
