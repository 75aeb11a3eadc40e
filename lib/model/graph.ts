/**
 * A LayersModel as a flat list of layer calls in topological order, nested models
 * opened.
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

/** The index of a tensor between two layers. */
export type Slot = number;

/** One application of a layer; a layer that is applied twice has two calls. */
export interface LayerCall {
  index: number;
  layer: tf.layers.Layer;
  /** The layer's name, after the names of the nested models that it is in. */
  name: string;
  /** The part of the layer's name before the last '/', or the outermost nested model's name. */
  block: string;
  inputs: Slot[];
  outputs: Slot[];
}

export interface Graph {
  calls: LayerCall[];
  inputs: Slot[];
  outputs: Slot[];
  slots: number;
  /** For each slot the index of the last call that reads it; -1 if none does. */
  lastUse: number[];
}

function blockOf(name: string, models: string[]): string {
  if (models.length > 0) return models[0];
  const slash = name.lastIndexOf('/');
  return slash < 0 ? name : name.slice(0, slash);
}

/** Reads the graph of a built model. Throws BAD_MODEL for an input that the model does not list. */
export function readGraph(model: tf.LayersModel): Graph {
  const calls: LayerCall[] = [];
  let slots = 0;
  const newSlot = () => slots++;

  function open(container: Container, inputSlots: Slot[], models: string[]): Slot[] {
    const slotOf = new Map<number, Slot>();
    container.inputs.forEach((input, i) => slotOf.set(input.id, inputSlots[i]));
    const visited = new Set<LayerNode>();
    // Depth first with a stack of its own: recursion over layers would overflow in a deep model.
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
        if (visited.has(node)) continue;
        visited.add(node);
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

/** The shape of a slot before there are values; null is open. */
export function slotShapes(
  graph: Graph,
  model: tf.LayersModel,
): (slot: Slot) => Array<number | null> {
  return (slot) => {
    const maker = graph.calls.find(({outputs}) => outputs.includes(slot));
    if (maker) return symbolicOutput(graph, maker).shape;
    return containerOf(model).inputs[graph.inputs.indexOf(slot)].shape;
  };
}
