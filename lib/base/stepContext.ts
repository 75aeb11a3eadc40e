/**
 * The current step, layer and samples, for layers that draw random numbers. `lib/step` sets the
 * context synchronously around each layer; it is null outside a training step (in `predict`, or in
 * tfjs's own `fit`).
 */
export interface StepContext {
  /** The run's seed. */
  seed: number;
  /** The name of the layer that is being called. */
  layer: string;
  /** The number of optimizer steps before this one. */
  step: number;
  /** The position of this batch's first sample in the global batch. */
  firstSample: number;
  /** The index of the validation batch; undefined in a training step. */
  validationBatch?: number;
  /** The range of dim 1 that the layer sees; undefined if it sees all of it. */
  positions?: {start: number; end: number; of: number};
  /** What this call of a layer draws; undefined where no layer is called. */
  draws?: Draws;
}

/** The part of a call that draws: each part has random numbers of its own. */
export type DrawPhase = 'forward' | 'backward' | 'weights' | 'loss' | 'update';

/**
 * The rows that each sample has in dim 0 of a draw's shape; 0 for a draw that all samples share,
 * such as noise on a weight.
 */
export type RowsPerSample = number;

/** The random numbers of one call of a layer, drawn in order. */
export interface Draws {
  phase: DrawPhase;
  /** The call's index in the model's graph: unlike a name, it is the same in every process. */
  place: number;
  /** The number of samples that the call sees. */
  samples: number;
  /** What each draw of the call is for, if the shapes alone cannot tell. */
  rows: readonly RowsPerSample[] | null;
  /** The number of draws so far. */
  count: number;
  /** The numbers that `Math.random` returns during the call. */
  uniform: (() => number) | null;
}

let current: StepContext | null = null;

export function stepContext(): StepContext | null {
  return current;
}

/** Runs `call` with `context`, and restores the previous context even if it throws. */
export function withStepContext<T>(context: StepContext, call: () => T): T {
  const previous = current;
  current = context;
  try {
    return call();
  } finally {
    current = previous;
  }
}

/** The context of a rank's samples in a validation batch. */
export function validationContext(
  seed: number,
  {firstSample, validation}: {firstSample: number; validation?: {step: number; batch: number}},
): StepContext {
  const {step, batch} = validation ?? {step: 0, batch: 0};
  return {seed, layer: '', step, firstSample, validationBatch: batch};
}
