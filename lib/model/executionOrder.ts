/**
 * The order in which tfjs's executor computes a model's tensors (tfjs-layers 4.22, executor.ts,
 * getTopologicalSortAndRecipientCounts).
 */
import type {Container, SymbolicTensor} from './tfjsInternals';

/** A layer needs an input that the container does not list. */
export class InputsMissing extends Error {
  constructor(readonly layer: string) {
    super(`'${layer}' needs an input that the model does not list`);
  }
}

/** Every tensor that the outputs need, without the inputs. Throws `InputsMissing`. */
export function executionOrder({inputs, outputs}: Container): SymbolicTensor[] {
  const done = new Set(inputs.map(({id}) => id));
  const order: SymbolicTensor[] = [];
  // The stack is explicit: recursion over layers would overflow in a deep model.
  for (const output of outputs) {
    const stack: Array<{tensor: SymbolicTensor; ready: boolean}> = [{tensor: output, ready: false}];
    while (stack.length > 0) {
      const {tensor, ready} = stack.pop()!;
      if (done.has(tensor.id)) continue;
      if (ready) {
        done.add(tensor.id);
        order.push(tensor);
        continue;
      }
      const node = tensor.sourceLayer.inboundNodes[tensor.nodeIndex];
      if (!node || node.inputTensors.length === 0) throw new InputsMissing(tensor.sourceLayer.name);
      // The last input comes first, as in tfjs.
      stack.push({tensor, ready: true});
      for (const input of node.inputTensors) stack.push({tensor: input, ready: false});
    }
  }
  return order;
}
