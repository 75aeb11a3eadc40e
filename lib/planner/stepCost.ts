/**
 * What a step costs: the seconds of its parts, its bubble and its traffic.
 */

/** The parts of a step's time, in seconds. */
export interface StepParts {
  /** Seconds of forward, backward and loss on the busiest device. */
  compute: number;
  /** Seconds that the pipeline adds by waiting. */
  bubble: number;
  /** Seconds of the sums over the tensor axis in sharded layers. */
  tensor: number;
  /** Seconds of messages between stages. */
  pipeline: number;
  /** Seconds of gradients and weights between replicas. */
  data: number;
  /** Seconds of the optimizer. */
  update: number;
  /** Seconds of making the input, of waiting for other ranks, and of all other work of a step. */
  rest: number;
}

/** The cost of a step. */
export interface StepCost {
  /** Seconds of the whole step. */
  seconds: number;
  parts: StepParts;
  /** The share of the pipeline ranks' time in which they wait, from 0 to 1; 0 without a pipeline. */
  bubble: number;
  /** Bytes that each device sends in a step, on the axis where it sends most. */
  traffic: {tensor: number; pipeline: number; data: number};
}
