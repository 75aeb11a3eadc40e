/**
 * Where in training a layer's `call` stands, for layers that draw random numbers: set
 * synchronously around each layer by `lib/step`, null outside a training step (a `predict`, or
 * tfjs's own `fit`).
 */
export interface StepContext {
  /** The run's seed. */
  seed: number;
  /** The name of the layer that is being called. */
  layer: string;
  /** Optimizer steps taken before this one. */
  step: number;
  /** The place of this batch's first sample in the global batch. */
  firstSample: number;
  /** Which of dim 1 the layer sees, where that is not all; undefined: all of it. */
  positions?: {start: number; end: number; of: number};
}

let current: StepContext | null = null;

export function stepContext(): StepContext | null {
  return current;
}

/** Runs `call` with `context` in force and puts the previous one back, also when it throws. */
export function withStepContext<T>(context: StepContext, call: () => T): T {
  const before = current;
  current = context;
  try {
    return call();
  } finally {
    current = before;
  }
}
