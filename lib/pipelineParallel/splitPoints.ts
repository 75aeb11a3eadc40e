/**
 * Where a model can be split into stages: between two layers where exactly one tensor
 * crosses.
 */
import {ManyHandsError, shown} from '../base/errors';
import {slotShape, type Graph, type LayerCall, type Slot} from '../model/graph';
import {maskReach, type MaskReach} from '../model/maskReach';

/** A place between two calls where a model can be split. */
export interface SplitPoint {
  /** The index of the first call after it. */
  callIndex: number;
  /** The slot whose tensor crosses. */
  slot: Slot;
  /** The tensor's shape without the samples' dim. */
  shape: number[];
}

/**
 * Why tfjs does not know the shape of a slot that crosses before `index`, as a clause; null if it
 * knows. CenterCrop overwrites the shape of its input (center_crop.js), which the layers before it
 * may share, and Resizing and RandomWidth leave out the dim of the samples.
 */
function unknownShape(graph: Graph, slot: Slot, index: number): string | null {
  const {calls} = graph;
  const shape = slotShape(graph, slot);
  const isCrop = ({layer}: LayerCall) => layer.getClassName() === 'CenterCrop';
  const isResize = ({layer}: LayerCall) =>
    ['Resizing', 'RandomWidth'].includes(layer.getClassName());
  const call =
    calls.find((call) => isCrop(call) && slotShape(graph, call.inputs[0]) === shape) ??
    calls.slice(0, index).find(isResize);
  return call ? `tfjs 4.22 gives a wrong shape to the images around '${call.name}'` : null;
}

/** The split point before a call, or a clause that says why there is none. */
function splitPointBefore(graph: Graph, masks: MaskReach, index: number): SplitPoint | string {
  const producerOf = new Map(
    graph.calls.flatMap((call) => call.outputs.map((slot): [Slot, LayerCall] => [slot, call])),
  );
  const crossing = [...producerOf].filter(
    ([slot, call]) =>
      call.index < index && (graph.lastUse[slot] >= index || graph.outputs.includes(slot)),
  );
  if (crossing.length !== 1)
    return `${crossing.length} tensors cross there (the outputs of ${crossing.map(([, call]) => `'${call.name}'`).join(' and ')})`;
  const [[slot, call]] = crossing;
  if (masks.slots.has(slot))
    return `the output of '${call.name}' has a mask, which would not be sent`;
  const reader = masks.readerOfEarlier[index];
  if (reader !== undefined)
    return `a mask of an earlier layer reaches '${reader}' (tfjs hands the last mask on), and it would not be sent`;
  const unknown = unknownShape(graph, slot, index);
  if (unknown) return unknown;
  const shape = call.shapes[call.outputs.indexOf(slot)];
  if (shape.slice(1).some((length) => length === null))
    return `the shape of '${call.name}'s output, [${shape}], is not fixed: give the model's input a fixed shape`;
  return {callIndex: index, slot, shape: shape.slice(1) as number[]};
}

/** All split points of a model, in order. */
export function possibleSplitPoints(graph: Graph): SplitPoint[] {
  const masks = maskReach(graph);
  const splitPoints = graph.calls
    .slice(1)
    .map((_, i) => splitPointBefore(graph, masks, i + 1))
    .filter((splitPoint): splitPoint is SplitPoint => typeof splitPoint !== 'string');
  // The second use of a layer has the name of the first, so splitAt could not name it.
  return splitPoints.filter(
    (splitPoint) => callNamed(graph, splitPointName(graph, splitPoint)) === splitPoint.callIndex,
  );
}

const callNamed = (graph: Graph, name: string) =>
  graph.calls.findIndex((call) => call.block === name || call.name === name);

/**
 * The name by which `splitAt` selects a split point: the block's name if the block begins there,
 * else the layer's.
 */
export function splitPointName(graph: Graph, {callIndex}: Pick<SplitPoint, 'callIndex'>): string {
  const {block, name} = graph.calls[callIndex];
  return graph.calls.findIndex((call) => call.block === block) === callIndex ? block : name;
}

/** A sentence with all names that `splitAt` may hold, for errors. */
export function splitPointNames(graph: Graph): string {
  const splitPoints = possibleSplitPoints(graph);
  return splitPoints.length === 0
    ? 'It cannot be cut anywhere.'
    : `It can be cut before ${splitPoints.map((splitPoint) => splitPointName(graph, splitPoint)).join(', ')}.`;
}

/**
 * The split points before the blocks or layers with these names. Throws BAD_OPTION with the reason
 * and with all possible names.
 */
export function splitPointsAt(graph: Graph, names: readonly string[]): SplitPoint[] {
  const masks = maskReach(graph);
  const splitPoints = names.map((name) => {
    const index = callNamed(graph, name);
    if (index < 0)
      throw new ManyHandsError(
        'BAD_OPTION',
        `splitAt names ${shown(name)}, which is neither a block nor a layer of the model. ${splitPointNames(graph)}`,
      );
    if (index === 0)
      throw new ManyHandsError(
        'BAD_OPTION',
        `splitAt names '${name}', which is at the beginning of the model: the first stage would be empty. ${splitPointNames(graph)}`,
      );
    const splitPoint = splitPointBefore(graph, masks, index);
    if (typeof splitPoint === 'string')
      throw new ManyHandsError(
        'BAD_OPTION',
        `the model cannot be cut before '${name}': ${splitPoint}. ${splitPointNames(graph)}`,
      );
    return splitPoint;
  });
  splitPoints.forEach((splitPoint, i) => {
    if (i > 0 && splitPoint.callIndex <= splitPoints[i - 1].callIndex)
      throw new ManyHandsError(
        'BAD_OPTION',
        `splitAt names '${names[i]}' after '${names[i - 1]}', which does not come before it in the model: name them in the model's order.`,
      );
  });
  return splitPoints;
}
