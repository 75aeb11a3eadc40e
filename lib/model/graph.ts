/**
 * A LayersModel as the flat list of layer calls that a step walks: nested models
 * opened, in an order in which every input is there before it is used.
 */
import type * as tf from '@tensorflow/tfjs';
import {ManyHandsError} from '../base/errors';
import {
  containerOf,
  nestedModel,
  outputOfNode,
  type Container,
  type LayerNode,
  type SymbolicTensor,
} from './tfjsInternals';

/** A place that holds one tensor between two layers. */
export type Slot = number;

/** One application of one layer; a layer that is applied twice has two calls. */
export interface LayerCall {
  index: number;
  layer: tf.layers.Layer;
  /** The layer's name, with its nested models' names before it. */
  name: string;
  /** Layers whose names share what stands before the last '/', or a nested model. */
  block: string;
  inputs: Slot[];
  outputs: Slot[];
}

export interface Graph {
  calls: LayerCall[];
  inputs: Slot[];
  outputs: Slot[];
  slots: number;
  /** For each slot the index of the last call that reads it; -1 when none does. */
  lastUse: number[];
}

function blockOf(name: string, models: string[]): string {
  if (models.length > 0) return models[0];
  const slash = name.lastIndexOf('/');
  return slash < 0 ? name : name.slice(0, slash);
}

/** Reads the graph of a built model. */
export function readGraph(model: tf.LayersModel): Graph {
  const calls: LayerCall[] = [];
  let slots = 0;
  const newSlot = () => slots++;

  function open(container: Container, inputSlots: Slot[], models: string[]): Slot[] {
    const slotOf = new Map<number, Slot>();
    container.inputs.forEach((input, i) => slotOf.set(input.id, inputSlots[i]));
    const done = new Set<LayerNode>();
    // Depth first and without recursion over layers, since a deep model would overflow the stack.
    const visit = (fetch: SymbolicTensor) => {
      const stack: Array<{tensor: SymbolicTensor; ready: boolean}> = [
        {tensor: fetch, ready: false},
      ];
      while (stack.length > 0) {
        const {tensor, ready} = stack.pop()!;
        if (slotOf.has(tensor.id)) continue;
        const node = tensor.sourceLayer.inboundNodes[tensor.nodeIndex];
        if (
          !node ||
          (node.inputTensors.length === 0 && tensor.sourceLayer.getClassName() === 'InputLayer')
        ) {
          throw new ManyHandsError(
            'BAD_MODEL',
            `the model's layer '${tensor.sourceLayer.name}' hangs on an input that the model does not list: name every input in tf.model({inputs}).`,
          );
        }
        if (!ready) {
          stack.push({tensor, ready: true});
          for (let i = node.inputTensors.length - 1; i >= 0; i--)
            stack.push({tensor: node.inputTensors[i], ready: false});
          continue;
        }
        if (done.has(node)) continue;
        done.add(node);
        const inputs = node.inputTensors.map((input) => slotOf.get(input.id)!);
        const layer = tensor.sourceLayer;
        const nested = nestedModel(layer);
        let outputs: Slot[];
        if (nested) {
          outputs = open(nested, inputs, [...models, layer.name]);
        } else {
          outputs = node.outputTensors.map(newSlot);
          calls.push({
            index: calls.length,
            layer,
            name: [...models, layer.name].join('/'),
            block: blockOf(layer.name, models),
            inputs,
            outputs,
          });
        }
        node.outputTensors.forEach((output, i) => slotOf.set(output.id, outputs[i]));
      }
    };
    container.outputs.forEach(visit);
    return container.outputs.map((output) => slotOf.get(output.id)!);
  }

  const top = containerOf(model);
  const inputs = top.inputs.map(newSlot);
  const outputs = open(top, inputs, []);
  const lastUse = new Array<number>(slots).fill(-1);
  for (const call of calls) for (const slot of call.inputs) lastUse[slot] = call.index;
  return {calls, inputs, outputs, slots, lastUse};
}

/** What a call's first output looks like before there are values: null in its shape is open. */
export function symbolicOutput(
  graph: Graph,
  call: LayerCall,
): Pick<SymbolicTensor, 'shape' | 'dtype'> {
  // A layer that is applied several times has a node for each application.
  const node = graph.calls.slice(0, call.index).filter(({layer}) => layer === call.layer).length;
  return outputOfNode(call.layer, node);
}
