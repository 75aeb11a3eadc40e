/**
 * The optimizer's update, one weight after the other: tfjs's optimizers hold every
 * weight's temporaries until the last weight is done (Adam's nine copies of a weight, of all
 * weights at once); here each weight's are gone before the next one's turn.
 */
import * as tf from '@tensorflow/tfjs';
import {tagMemory, withMemoryFor} from '../memory';
import {slotLists} from '../model/optimizerState';
import {engineInternals} from '../model/tfjsInternals';

/** What a weight's turn needs. */
export interface Turns {
  /** Called in order, once for each variable, as its turn begins; null: it stays as it is. */
  gradient(index: number): tf.Tensor | null;
  /** Its turn is over. */
  done?(index: number): void;
}

/**
 * Applies the gradients to `variables`, as `optimizer.applyGradients` does, to the bit. The
 * variables must be the same, in the same order, at every call: tfjs keeps its moments by position.
 */
export function updateInTurn(
  optimizer: tf.Optimizer,
  variables: readonly tf.Variable[],
  turns: Turns,
): void {
  const engine = engineInternals();
  const depth = engine.state.scopeStack.length;
  const lists = slotLists(optimizer);
  let at = -1;
  const close = () => {
    if (at < 0) return;
    for (const list of lists) tagMemory(list[at]?.variable, 'optimizer');
    turns.done?.(at);
  };
  // tfjs reads each gradient once, as it comes to its weight: there the last weight's scope ends
  // and this one's begins.
  const named = variables.map((variable, i) => ({
    name: variable.name,
    get tensor(): tf.Tensor {
      if (at >= 0) engine.endScope();
      close();
      at = i;
      engine.startScope('update');
      return turns.gradient(i) as tf.Tensor;
    },
  }));
  withMemoryFor('temporary', () => {
    try {
      optimizer.applyGradients(named);
    } finally {
      // An optimizer whose own scope spans all weights has ended the last weight's in its place.
      while (engine.state.scopeStack.length > depth) engine.endScope();
      close();
    }
  });
}
