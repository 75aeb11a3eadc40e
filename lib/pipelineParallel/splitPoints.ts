/**
 * Where a model can be cut into stages: between two layers where one tensor, and
 * nothing else, goes on.
 */
import {ManyHandsError, shown} from '../base/errors';
import {symbolicOutput, type Graph, type LayerCall, type Slot} from '../model/graph';
import {maskingFields} from '../model/tfjsLayers';

/** A place between two calls: the stage after it begins with call `at`. */
export interface SplitPoint {
  at: number;
  /** The slot that goes on. */
  slot: Slot;
  /** Its shape without the samples' dim. */
  shape: number[];
}

/** Slots whose tensor has a mask beside it, which would have to travel too. */
function maskedSlots(graph: Graph): Set<Slot> {
  const masked = new Set<Slot>();
  for (const {layer, inputs, outputs} of graph.calls) {
    const {supportsMasking, maskZero, returnSequences} = maskingFields(layer);
    const begins = maskZero === true || layer.getClassName() === 'Masking';
    if (
      supportsMasking &&
      returnSequences !== false &&
      (begins || inputs.some((slot) => masked.has(slot)))
    )
      masked.add(outputs[0]);
  }
  return masked;
}

/** Why the graph cannot be cut before call `at`, in words, or the cut. */
function cutAt(graph: Graph, masked: Set<Slot>, at: number): SplitPoint | string {
  const made = new Map(
    graph.calls.flatMap((call) => call.outputs.map((slot): [Slot, LayerCall] => [slot, call])),
  );
  const across = [...made].filter(
    ([slot, call]) =>
      call.index < at && (graph.lastUse[slot] >= at || graph.outputs.includes(slot)),
  );
  if (across.length !== 1)
    return `${across.length} tensors go on there (the outputs of ${across.map(([, call]) => `'${call.name}'`).join(' and ')})`;
  const [[slot, call]] = across;
  if (masked.has(slot))
    return `the output of '${call.name}' has a mask beside it, which would stay behind`;
  const {shape, dtype} = symbolicOutput(graph, call);
  if (dtype !== 'float32') return `the output of '${call.name}' is ${dtype}, and has no gradient`;
  if (shape.slice(1).some((length) => length === null))
    return `the shape of '${call.name}'s output, [${shape}], is open: give the model's input a fixed shape`;
  return {at, slot, shape: shape.slice(1) as number[]};
}

/** Every place at which the model can be cut, in order. */
export function possibleSplitPoints(graph: Graph): SplitPoint[] {
  const masked = maskedSlots(graph);
  const cuts = graph.calls
    .slice(1)
    .map((_, i) => cutAt(graph, masked, i + 1))
    .filter((cut): cut is SplitPoint => typeof cut !== 'string');
  // A layer's second use has its first one's name, by which nobody could ask for it.
  return cuts.filter((cut) => callNamed(graph, splitPointName(graph, cut)) === cut.at);
}

const callNamed = (graph: Graph, name: string) =>
  graph.calls.findIndex((call) => call.block === name || call.name === name);

/**
 * The name by which `splitAt` reaches a cut: the block's, where the block begins there, else the
 * layer's.
 */
export function splitPointName(graph: Graph, {at}: Pick<SplitPoint, 'at'>): string {
  const {block, name} = graph.calls[at];
  return graph.calls.findIndex((call) => call.block === block) === at ? block : name;
}

/** All names that `splitAt` may hold, for an error. */
export function splitPointNames(graph: Graph): string {
  const cuts = possibleSplitPoints(graph);
  return cuts.length === 0
    ? 'It can be cut nowhere.'
    : `It can be cut before ${cuts.map((cut) => splitPointName(graph, cut)).join(', ')}.`;
}

/**
 * The cuts that `names` ask for: a stage begins at each. Throws BAD_OPTION with why, and with what
 * is possible.
 */
export function splitPointsAt(graph: Graph, names: readonly string[]): SplitPoint[] {
  const masked = maskedSlots(graph);
  const cuts = names.map((name) => {
    const at = callNamed(graph, name);
    if (at < 0)
      throw new ManyHandsError(
        'BAD_OPTION',
        `splitAt names ${shown(name)}, which is neither a block nor a layer of the model. ${splitPointNames(graph)}`,
      );
    if (at === 0)
      throw new ManyHandsError(
        'BAD_OPTION',
        `splitAt names '${name}', with which the model begins: the first stage would be empty. ${splitPointNames(graph)}`,
      );
    const cut = cutAt(graph, masked, at);
    if (typeof cut === 'string')
      throw new ManyHandsError(
        'BAD_OPTION',
        `the model cannot be cut before '${name}': ${cut}. ${splitPointNames(graph)}`,
      );
    return cut;
  });
  cuts.forEach((cut, i) => {
    if (i > 0 && cut.at <= cuts[i - 1].at)
      throw new ManyHandsError(
        'BAD_OPTION',
        `splitAt names '${names[i]}' after '${names[i - 1]}', which does not come before it: name the stages' beginnings in the model's order.`,
      );
  });
  return cuts;
}
