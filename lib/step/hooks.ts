/**
 * Worker side. Where a strategy, a trace or a limit may step in while a step walks the layers. Every hook may be async; none runs
 * while a tape, a scope or changed engine state is open.
 */
import type * as tf from '@tensorflow/tfjs';
import type {LayerCall} from './graph';

/** A weight's gradient while a step gathers it: one entry a trainable weight, in the optimizer's order. */
export interface WeightGradient {
  name: string;
  variable: tf.Variable;
  gradient: tf.Tensor | null;
}

export interface StepHooks {
  beforeStep?(step: number): void | Promise<void>;
  /** After the batch's arrays have become tensors. */
  afterInput?(): void | Promise<void>;
  beforeForward?(call: LayerCall): void | Promise<void>;
  afterForward?(call: LayerCall, outputs: tf.Tensor[]): void | Promise<void>;
  /** After the last layer of a micro-batch's forward. */
  beforeLoss?(): void | Promise<void>;
  /** After the loss of one micro-batch, before its backward walk. */
  afterLoss?(): void | Promise<void>;
  beforeBackward?(call: LayerCall): void | Promise<void>;
  /** `gradients`: this layer's, as far as they have been summed. */
  afterBackward?(call: LayerCall, gradients: WeightGradient[]): void | Promise<void>;
  /** After the last micro-batch's backward walk, with every gradient of the step. */
  beforeUpdate?(gradients: WeightGradient[]): void | Promise<void>;
  afterStep?(step: number): void | Promise<void>;
}

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
