/**
 * The points of a training step at which strategies and traces run their own code.
 * Every hook may be async. No hook runs while a tape, a scope or changed engine state is open.
 */
import type * as tf from '@tensorflow/tfjs';
import type {StepContext} from '../base/stepContext';
import type {LayerCall} from '../model/graph';
import type {Tape} from './tape';

/** A trainable weight and its gradient, as far as the step has summed it. */
export interface WeightGradient {
  name: string;
  variable: tf.Variable;
  gradient: tf.Tensor | null;
}

/** A rank's share of a micro-batch, before a pass over it. */
export interface PartInfo {
  index: number;
  count: number;
  /** 0 if the rank has no samples of it; the pass is then left out. */
  samples: number;
  /** Its samples divided by those of the whole batch over all ranks. */
  share: number;
  /** Whether it is the last pass of the step that adds to these layers' gradients. */
  last: boolean;
}

export interface StepHooks {
  /** `parts`: how many micro-batches the step has. */
  beforeStep?(step: number, parts: number): void | Promise<void>;
  beforePart?(part: PartInfo): void | Promise<void>;
  /**
   * Called instead of the pass over `calls` if this rank's micro-batch is empty, so that it joins
   * the collectives of the other ranks.
   */
  emptyRank?(direction: 'forward' | 'backward', calls: readonly LayerCall[]): void | Promise<void>;
  /** After the batch's tensors have been made. */
  afterInput?(): void | Promise<void>;
  beforeForward?(call: LayerCall): void | Promise<void>;
  afterForward?(call: LayerCall, outputs: tf.Tensor[]): void | Promise<void>;
  /** A call's tape has been made, in the forward pass or in a recomputation. */
  afterTape?(call: LayerCall, tape: Tape): void | Promise<void>;
  /** After the last layer of a micro-batch's forward pass. */
  beforeLoss?(): void | Promise<void>;
  /** After the loss of a micro-batch, before its backward pass. */
  afterLoss?(): void | Promise<void>;
  /** Before each layer of a segment that is recomputed. */
  beforeRecompute?(call: LayerCall): void | Promise<void>;
  beforeBackward?(call: LayerCall): void | Promise<void>;
  /** `gradients`: those of this layer, summed so far. */
  afterBackward?(call: LayerCall, gradients: WeightGradient[]): void | Promise<void>;
  /** After the last micro-batch's backward pass: here ranks complete each other's gradients. */
  afterGradients?(gradients: WeightGradient[]): void | Promise<void>;
  /** With every gradient of the step as it will be applied, before `globalClipNorm`. */
  beforeUpdate?(gradients: WeightGradient[]): void | Promise<void>;
  afterStep?(step: number): void | Promise<void>;
  /** Before a validation batch. */
  beforePrediction?(): void | Promise<void>;
  /** Before and after each layer of a pass without tapes: validation. */
  beforePredict?(call: LayerCall): void | Promise<void>;
  afterPredict?(call: LayerCall): void | Promise<void>;
}

/** How a layer with a collective inside is to run. */
export interface CommunicatingContext extends StepContext {
  training: boolean;
  /** The mask of the first input, or null. */
  mask: tf.Tensor | null;
  /** Receives each tape that the forward makes. */
  onTape(tape: Tape): Promise<void>;
}

/** A layer with a collective inside its forward. */
export interface CommunicatingLayer {
  forward(
    call: LayerCall,
    inputs: tf.Tensor[],
    context: CommunicatingContext,
  ): Promise<SavedForward>;
}

/**
 * What such a layer's forward returns. It holds what its backward needs until `backward` or
 * `discard` is called.
 */
export interface SavedForward {
  /** The caller disposes of them. */
  outputs: tf.Tensor[];
  /**
   * Takes the gradient of each output (null: none flowed back). Returns those of the inputs (null:
   * not wanted) and, by variable id, of the weights; the caller disposes of them.
   */
  backward(
    outputGradients: Array<tf.Tensor | null>,
  ): Promise<{inputs: Array<tf.Tensor | null>; weights: Map<number, tf.Tensor>}>;
  discard(): void;
  /**
   * After `discard`: runs the same forward once more. Ranks that had no samples in the first one
   * take no part.
   */
  recompute(inputs: tf.Tensor[], context: CommunicatingContext): Promise<SavedForward>;
}

/** The implementation of a call with a collective inside; null for any other call. */
export type CommunicatingLayerOf = (call: LayerCall) => CommunicatingLayer | null;

/** Calls the hook `name` of each of `hooks`, in order. */
export async function runHooks<Name extends keyof StepHooks>(
  hooks: readonly StepHooks[],
  name: Name,
  ...args: Parameters<NonNullable<StepHooks[Name]>>
): Promise<void> {
  for (const hook of hooks) {
    const method = hook[name] as ((...args: unknown[]) => void | Promise<void>) | undefined;
    if (!method) continue;
    const pending = method.apply(hook, args);
    if (pending) await pending;
  }
}
