/**
 * A LayersModel as the flat list of layer calls that a step walks: nested models
 * opened, in an order in which every input is there before it is used.
 */
import type * as tf from '@tensorflow/tfjs';
import {ManyHandsError} from '../base/errors';

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

// What tfjs-layers keeps of its graph; its types do not show it.
interface NodeLike {
  inputTensors: SymbolicLike[];
  outputTensors: SymbolicLike[];
}
interface SymbolicLike {
  id: number;
  sourceLayer: LayerLike;
  nodeIndex: number;
}
interface LayerLike {
  name: string;
  inboundNodes: NodeLike[];
  getClassName(): string;
}
interface ContainerLike extends LayerLike {
  inputs: SymbolicLike[];
  outputs: SymbolicLike[];
}

function isContainer(layer: LayerLike): layer is ContainerLike {
  const candidate = layer as Partial<ContainerLike> & {layers?: unknown};
  return (
    Array.isArray(candidate.layers) &&
    Array.isArray(candidate.inputs) &&
    Array.isArray(candidate.outputs)
  );
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

  function open(container: ContainerLike, given: Slot[], models: string[]): Slot[] {
    const slotOf = new Map<number, Slot>();
    container.inputs.forEach((input, i) => slotOf.set(input.id, given[i]));
    const done = new Set<NodeLike>();
    // Depth first and without recursion over layers, since a deep model would overflow the stack.
    const visit = (fetch: SymbolicLike) => {
      const stack: Array<{tensor: SymbolicLike; ready: boolean}> = [{tensor: fetch, ready: false}];
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
        let outputs: Slot[];
        if (isContainer(layer)) {
          outputs = open(layer, inputs, [...models, layer.name]);
        } else {
          outputs = node.outputTensors.map(newSlot);
          calls.push({
            index: calls.length,
            layer: layer as unknown as tf.layers.Layer,
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

  const top = model as unknown as ContainerLike;
  const inputs = top.inputs.map(newSlot);
  const outputs = open(top, inputs, []);
  const lastUse = new Array<number>(slots).fill(-1);
  for (const call of calls) for (const slot of call.inputs) lastUse[slot] = call.index;
  return {calls, inputs, outputs, slots, lastUse};
}

interface AppliedLike {
  getOutputAt(node: number): SymbolicOutput | SymbolicOutput[];
  inboundNodes: unknown[];
}

/** What tfjs knows of a tensor before there is one: null in the shape is open. */
export interface SymbolicOutput {
  shape: Array<number | null>;
  dtype: string;
}

/**
 * What a call's first output looks like; a layer that is applied several times has a node for each.
 */
export function symbolicOutput(graph: Graph, call: LayerCall): SymbolicOutput {
  const nth = graph.calls.slice(0, call.index).filter(({layer}) => layer === call.layer).length;
  const layer = call.layer as unknown as AppliedLike;
  const output = layer.getOutputAt(Math.min(nth, layer.inboundNodes.length - 1));
  return Array.isArray(output) ? output[0] : output;
}
