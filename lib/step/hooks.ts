/**
 * Where a strategy, a trace or a limit may step in while a step walks the layers.
 * Every hook may be async; none runs while a tape, a scope or changed engine state is open.
 */
import type * as tf from '@tensorflow/tfjs';
import type {StepContext} from '../base/stepContext';
import type {LayerCall} from '../model/graph';
import type {Tape} from './tape';

/**
 * A weight's gradient while a step gathers it: one entry a trainable weight, in the optimizer's
 * order.
 */
export interface WeightGradient {
  name: string;
  variable: tf.Variable;
  gradient: tf.Tensor | null;
}

/**
 * A micro-batch as this rank meets it, before a walk of it; `samples` is 0 where the rank has no
 * share of it, and its walk then falls out.
 */
export interface PartInfo {
  index: number;
  count: number;
  samples: number;
  /** Its samples by those of the whole batch, over all ranks. */
  share: number;
  /** Whether no walk of these layers follows in this step that adds to their gradients. */
  last: boolean;
}

export interface StepHooks {
  /** `parts`: how many micro-batches the step has. */
  beforeStep?(step: number, parts: number): void | Promise<void>;
  beforePart?(part: PartInfo): void | Promise<void>;
  /**
   * In the place of a walk through `calls` that falls out on this rank, which has no samples: what
   * the other ranks do with it meanwhile.
   */
  emptyRank?(direction: 'forward' | 'backward', calls: readonly LayerCall[]): void | Promise<void>;
  /** After the batch's arrays have become tensors. */
  afterInput?(): void | Promise<void>;
  beforeForward?(call: LayerCall): void | Promise<void>;
  afterForward?(call: LayerCall, outputs: tf.Tensor[]): void | Promise<void>;
  /** A call's tape has been made, forward or again. */
  afterTape?(call: LayerCall, tape: Tape): void | Promise<void>;
  /** After the last layer of a micro-batch's forward. */
  beforeLoss?(): void | Promise<void>;
  /** After the loss of one micro-batch, before its backward walk. */
  afterLoss?(): void | Promise<void>;
  /** Before each layer of a segment that is computed again for its backward. */
  beforeRecompute?(call: LayerCall): void | Promise<void>;
  beforeBackward?(call: LayerCall): void | Promise<void>;
  /** `gradients`: this layer's, as far as they have been summed. */
  afterBackward?(call: LayerCall, gradients: WeightGradient[]): void | Promise<void>;
  /** After the last micro-batch's backward walk: where ranks complete each other's gradients. */
  afterGradients?(gradients: WeightGradient[]): void | Promise<void>;
  /** With every gradient of the step as it will be applied, but for `globalClipNorm`. */
  beforeUpdate?(gradients: WeightGradient[]): void | Promise<void>;
  afterStep?(step: number): void | Promise<void>;
  /** Before a batch of validation. */
  beforePrediction?(): void | Promise<void>;
  /** Around each layer of a walk without tapes: validation. */
  beforePredict?(call: LayerCall): void | Promise<void>;
  afterPredict?(call: LayerCall): void | Promise<void>;
}

/** How a layer in halves is walked. */
export interface CommunicatingContext extends StepContext {
  training: boolean;
  /** The mask beside the first input, or null. */
  mask: tf.Tensor | null;
  /** Is told each tape that the forward makes. */
  taped(tape: Tape): Promise<void>;
}

/** A layer that must talk in its middle, walked in two halves. */
export interface CommunicatingLayer {
  forward(
    call: LayerCall,
    inputs: tf.Tensor[],
    context: CommunicatingContext,
  ): Promise<SavedForward>;
}

/**
 * What such a layer's forward leaves: it holds what its backward needs until one of the two is
 * called.
 */
export interface SavedForward {
  /** The walk's to dispose. */
  outputs: tf.Tensor[];
  /**
   * From the gradient of each output (null: none flowed back) those of the inputs (null: nobody
   * wants it) and, by variable id, of the weights, the walk's to dispose.
   */
  backward(
    outputGradients: Array<tf.Tensor | null>,
  ): Promise<{inputs: Array<tf.Tensor | null>; weights: Map<number, tf.Tensor>}>;
  discard(): void;
  /**
   * After `discard`: the same forward once more, of which no rank learns that did not compute it
   * the first time.
   */
  recompute(inputs: tf.Tensor[], context: CommunicatingContext): Promise<SavedForward>;
}

/** The halves of a call, where a strategy has them. */
export type CommunicatingLayerOf = (call: LayerCall) => CommunicatingLayer | null;

/** Calls the same hook of several, in order. */
export async function runHooks<Name extends keyof StepHooks>(
  hooks: readonly StepHooks[],
  name: Name,
  ...args: Parameters<NonNullable<StepHooks[Name]>>
): Promise<void> {
  for (const hook of hooks) {
    const method = hook[name] as ((...args: unknown[]) => void | Promise<void>) | undefined;
    if (!method) continue;
    const waiting = method.apply(hook, args);
    if (waiting) await waiting;
  }
}
