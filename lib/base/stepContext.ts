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
  /** The range of dim 1 that the layer sees; undefined if it sees all of it. */
  positions?: {start: number; end: number; of: number};
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
