/**
 * A LayersModel as a flat list of layer calls, nested models opened. The order is the one in which
 * tfjs's executor runs the layers: it matters where a layer's averages move or a mask stays behind.
 */
import type * as tf from '@tensorflow/tfjs';
import {ManyHandsError} from '../base/errors';
import {executionOrder, InputsMissing} from './executionOrder';
import {mayKeepState} from './layerState';
import {penaltyUses} from './penaltyUses';
import {lookupRows} from './tfjsLayers';
import {
  containerOf,
  nestedModel,
  type Container,
  type LayerNode,
  type SymbolicTensor,
} from './tfjsInternals';

/** The index of a tensor between two layers. */
export type Slot = number;

/** A shape before there are values; null is open, and the first dim counts the samples. */
export type OpenShape = Array<number | null>;

/** One application of a nested model, or the whole model, whose `parent` is null. */
export interface Frame {
  parent: Frame | null;
  /** The index of its first call. */
  first: number;
  /** For each input the slot whose mask the nested model itself gets. */
  maskSlots: Array<Slot | null>;
}

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
  /**
   * For each input the slot whose mask the layer gets. It is null for the inputs and the outputs of
   * a nested model, through which tfjs passes no mask.
   */
  maskSlots: Array<Slot | null>;
  /** The shapes of the outputs of this application. */
  shapes: OpenShape[];
  frame: Frame;
}

export interface Graph {
  calls: LayerCall[];
  inputs: Slot[];
  outputs: Slot[];
  slots: number;
  /** For each slot the index of the last call that reads it; -1 if none does. */
  lastUse: number[];
  /** The shapes of the model's inputs. */
  inputShapes: ReadonlyMap<Slot, OpenShape>;
  /** The type to which the executor casts a model input; a slot without one takes any type. */
  inputTypes: ReadonlyMap<Slot, tf.DataType>;
  /** How often the loss counts a layer's penalties; see `penaltyUses`. */
  penaltyUses: ReadonlyMap<tf.layers.Layer, number>;
}

function blockOf(name: string, models: string[]): string {
  if (models.length > 0) return models[0];
  const slash = name.lastIndexOf('/');
  return slash < 0 ? name : name.slice(0, slash);
}

/** A tensor of a container: its slot, the slot of its mask, and its shape in this application. */
interface Value {
  slot: Slot;
  maskSlot: Slot | null;
  shape: OpenShape;
}

const sameShape = (a: OpenShape, b: OpenShape) => String(a) === String(b);

/**
 * The shapes of a node's outputs. A nested model that is applied to other shapes than those of its
 * own inputs has nodes with the wrong shapes.
 */
function shapesOf(layer: tf.layers.Layer, node: LayerNode, inputs: OpenShape[]): OpenShape[] {
  const known = node.outputTensors.map(({shape}) => shape);
  if (node.inputTensors.every(({shape}, i) => sameShape(shape, inputs[i]))) return known;
  try {
    const shapes = layer.computeOutputShape(
      (inputs.length === 1 ? inputs[0] : inputs) as tf.Shape,
    ) as OpenShape | OpenShape[];
    return Array.isArray(shapes[0]) ? (shapes as OpenShape[]) : [shapes as OpenShape];
  } catch {
    return known;
  }
}

class GraphReader {
  readonly calls: LayerCall[] = [];
  slots = 0;

  newSlot(): Slot {
    return this.slots++;
  }

  /** Reads one application of a container; returns its outputs. */
  open(container: Container, inputs: Value[], models: string[], frame: Frame): Value[] {
    const values = new Map<number, Value>();
    const outputs = new Map<number, Value>();
    container.inputs.forEach((input, i) => values.set(input.id, inputs[i]));
    const ran = new Set<LayerNode>();
    for (const tensor of this.order(container)) {
      const layer = tensor.sourceLayer;
      const node = layer.inboundNodes[tensor.nodeIndex];
      // The executor runs a layer anew for each of its outputs that is read. That shows only in
      // what the layer keeps: an average moves twice.
      if (ran.has(node) && !mayKeepState(layer)) continue;
      const made = this.apply(layer, node, values, models, frame);
      node.outputTensors.forEach(({id}, i) => {
        if (!values.has(id)) values.set(id, made[i]);
        outputs.set(id, made[i]);
      });
      ran.add(node);
    }
    return container.outputs.map(({id}) => outputs.get(id) ?? values.get(id)!);
  }

  private order(container: Container): SymbolicTensor[] {
    try {
      return executionOrder(container);
    } catch (error) {
      if (!(error instanceof InputsMissing)) throw error;
      throw new ManyHandsError(
        'BAD_MODEL',
        `the model's layer '${error.layer}' hangs on an input that the model does not list: name every input in tf.model({inputs}).`,
      );
    }
  }

  private apply(
    layer: tf.layers.Layer,
    node: LayerNode,
    values: Map<number, Value>,
    models: string[],
    frame: Frame,
  ): Value[] {
    const inputs = node.inputTensors.map(({id}) => values.get(id)!);
    const nested = nestedModel(layer);
    if (nested) {
      const unmasked = inputs.map((input) => ({...input, maskSlot: null}));
      const made = this.open(nested, unmasked, [...models, layer.name], {
        parent: frame,
        first: this.calls.length,
        maskSlots: inputs.map(({maskSlot}) => maskSlot),
      });
      return made.map((output) => ({...output, maskSlot: null}));
    }
    const shapes = shapesOf(
      layer,
      node,
      inputs.map(({shape}) => shape),
    );
    const outputs = node.outputTensors.map(() => this.newSlot());
    this.calls.push({
      index: this.calls.length,
      layer,
      name: [...models, layer.name].join('/'),
      block: blockOf(layer.name, models),
      inputs: inputs.map(({slot}) => slot),
      outputs,
      maskSlots: inputs.map(({maskSlot}) => maskSlot),
      shapes,
      frame,
    });
    return outputs.map((slot, i) => ({slot, maskSlot: slot, shape: shapes[i]}));
  }
}

/**
 * tfjs casts the data to the input's type. Only a look-up gets integers as they are, whatever the
 * type: it casts its input to integers anyway.
 */
function inputTypesOf(
  container: Container,
  inputs: Slot[],
  calls: LayerCall[],
): Map<Slot, tf.DataType> {
  const types = new Map<Slot, tf.DataType>();
  container.inputs.forEach(({dtype, shape}, i) => {
    const readers = calls.filter((call) => call.inputs.includes(inputs[i]));
    const looksUp =
      dtype === 'float32' && readers.every(({layer}) => lookupRows(layer, shape.length) !== null);
    if (dtype && !looksUp) types.set(inputs[i], dtype);
  });
  return types;
}

/** The nested models' applications that begin with a call, the outermost first. */
export function framesBegunBy({index, frame}: LayerCall): Frame[] {
  const begun: Frame[] = [];
  for (
    let current: Frame = frame;
    current.parent && current.first === index;
    current = current.parent
  )
    begun.unshift(current);
  return begun;
}

/** Reads the graph of a built model. Throws BAD_MODEL for an input that the model does not list. */
export function readGraph(model: tf.LayersModel): Graph {
  const reader = new GraphReader();
  const top = containerOf(model);
  const values = top.inputs.map(
    ({shape}): Value => ({slot: reader.newSlot(), maskSlot: null, shape}),
  );
  const frame: Frame = {parent: null, first: 0, maskSlots: []};
  const outputs = reader.open(top, values, [], frame).map(({slot}) => slot);
  const {calls, slots} = reader;
  const lastUse = new Array<number>(slots).fill(-1);
  for (const call of calls) for (const slot of call.inputs) lastUse[slot] = call.index;
  const inputs = values.map(({slot}) => slot);
  return {
    calls,
    inputs,
    outputs,
    slots,
    lastUse,
    inputShapes: new Map(values.map(({slot, shape}) => [slot, shape])),
    inputTypes: inputTypesOf(top, inputs, calls),
    penaltyUses: penaltyUses(model),
  };
}

/** The shape of a call's first output before there are values; its first dim counts the samples. */
export const outputShape = ({shapes: [shape]}: LayerCall): OpenShape => shape;

/** The shape of a slot before there are values; null is open. */
export function slotShape({calls, inputShapes}: Graph, slot: Slot): OpenShape {
  const maker = calls.find(({outputs}) => outputs.includes(slot));
  return maker ? maker.shapes[maker.outputs.indexOf(slot)] : inputShapes.get(slot)!;
}
