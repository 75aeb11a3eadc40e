/**
 * The optimizer's update, one weight after the other. tfjs's optimizers hold the
 * temporaries of all weights until the last one is updated (Adam makes nine copies of a weight);
 * here each weight's temporaries are freed before the next weight's turn.
 */
import type * as tf from '@tensorflow/tfjs';
import {tagMemory, withMemoryFor} from '../memory';
import {slotLists} from '../model/optimizerState';
import {engineInternals} from '../model/tfjsInternals';

/** What the caller does before and after each weight's update. */
export interface UpdateCallbacks {
  /** Called in order, once for each variable, before its update; null leaves it as it is. */
  gradient(index: number): tf.Tensor | null;
  /** Called after the variable's update. */
  done?(index: number): void;
}

/**
 * Applies the gradients to `variables` with the same bits as `optimizer.applyGradients`. Every call
 * must pass the same variables in the same order, because tfjs keeps its moments by position.
 */
export function updateOneByOne(
  optimizer: tf.Optimizer,
  variables: readonly tf.Variable[],
  callbacks: UpdateCallbacks,
): void {
  const engine = engineInternals();
  const depth = engine.state.scopeStack.length;
  const stateLists = slotLists(optimizer);
  let current = -1;
  const close = () => {
    if (current < 0) return;
    for (const list of stateLists) tagMemory(list[current]?.variable, 'optimizer');
    callbacks.done?.(current);
  };
  // tfjs reads each gradient once, just before it updates the weight: there the previous weight's
  // scope ends and this one's begins.
  const namedGradients = variables.map((variable, i) => ({
    name: variable.name,
    get tensor(): tf.Tensor {
      if (current >= 0) engine.endScope();
      close();
      current = i;
      engine.startScope('update');
      return callbacks.gradient(i) as tf.Tensor;
    },
  }));
  withMemoryFor('temporary', () => {
    try {
      optimizer.applyGradients(namedGradients);
    } finally {
      // An optimizer with a scope over all weights has already ended the last weight's scope.
      while (engine.state.scopeStack.length > depth) engine.endScope();
      close();
    }
  });
}
