/**
 * Sequence parallelism (Korthikanti et al. 2022, section 4.2.2): between the divided
 * layers a rank holds its own positions of every sample, [samples, positions / N, ...], and works
 * on those alone.
 */
import {ManyHandsError} from '../base/errors';
import {partStart} from '../collectives/types';
import {symbolicOutput, type Graph, type LayerCall, type Slot} from '../model/graph';
import {shardedOf, type Rules} from './layout';
import {perPositionOf} from './perPosition';
import type {LayoutRange} from './rules';

export interface SequencePlan {
  /** The slots of which a rank holds its own positions, dim 1. */
  slots: ReadonlySet<Slot>;
  /** This rank's. */
  positions: LayoutRange;
}

/** A call's output where it has positions: their number, null where that is open. */
function positionsIn(graph: Graph, call: LayerCall): number | null {
  const {shape, dtype} = symbolicOutput(graph, call);
  return shape.length > 2 && dtype === 'float32' ? shape[1] : null;
}

/**
 * Whether what a rule leaves is a sum over the ranks; of some rules that depends on how many dims
 * the input has.
 */
function isPartialOutput(graph: Graph, rules: Rules, call: LayerCall): boolean {
  const maker = graph.calls.find(({outputs}) => outputs.includes(call.inputs[0]));
  return (
    rules[call.name] !== undefined &&
    shardedOf(call.layer, rules[call.name]).outputPlacement(
      maker ? symbolicOutput(graph, maker).shape.length : 2,
    ) === 'partial'
  );
}

/**
 * Whether a rank that sees its own positions alone has a part of the gradient of the layer's whole
 * weights.
 */
const hasPartialGradient = (rules: Rules, {name, layer}: LayerCall) =>
  !rules[name] || shardedOf(layer, rules[name]).finish !== undefined;

/**
 * Follows the positions from each sum through the layers that treat them one by one. A model's
 * outputs are whole.
 */
function slotsByPosition(graph: Graph, rules: Rules, length: number): Set<Slot> {
  const slots = new Set<Slot>();
  const uses = (layer: LayerCall['layer']) =>
    graph.calls.filter((call) => call.layer === layer).length;
  for (const call of graph.calls) {
    const [output] = call.outputs;
    if (graph.outputs.includes(output) || positionsIn(graph, call) !== length) continue;
    // Of a layer that is used whole elsewhere the gradient would be whole in one part and not in
    // the other.
    if (hasPartialGradient(rules, call) && call.layer.weights.length > 0 && uses(call.layer) > 1) continue;
    if (
      rules[call.name]
        ? isPartialOutput(graph, rules, call)
        : perPositionOf(call.layer) && call.inputs.every((slot) => slots.has(slot))
    )
      slots.add(output);
  }
  return slots;
}

/**
 * What is divided by positions on `rank` of `size`. Throws BAD_OPTION where nothing is, or the
 * positions cannot be shared out evenly.
 */
export function planSequence(graph: Graph, rules: Rules, rank: number, size: number): SequencePlan {
  const partialCalls = graph.calls.filter(
    (call) => isPartialOutput(graph, rules, call) && !graph.outputs.includes(call.outputs[0]),
  );
  const length = partialCalls.map((call) => positionsIn(graph, call)).find((positions_) => positions_ !== null);
  if (!length) {
    throw new ManyHandsError(
      'BAD_OPTION',
      "strategy.sequenceParallel divides the positions of [samples, positions, ...] after a 'row', 'heads' or 'vocabulary' layer, and this layout has none there with a fixed number of positions: leave it out.",
    );
  }
  if (length % size !== 0) {
    throw new ManyHandsError(
      'BAD_OPTION',
      `strategy.sequenceParallel shares ${length} positions out among ${size} ranks, which leaves ${length % size} over: take sequences of ${length - (length % size) || size} or ${length + size - (length % size)}, or leave it out.`,
    );
  }
  return {
    slots: slotsByPosition(graph, rules, length),
    positions: {
      start: partStart(rank, length, size),
      end: partStart(rank + 1, length, size),
      of: length,
    },
  };
}

/**
 * The layers whose whole weights' gradients are a sum over the ranks, each of which saw its own
 * positions alone.
 */
export function partialLayers(
  graph: Graph,
  rules: Rules,
  {slots}: SequencePlan,
): Set<LayerCall['layer']> {
  return new Set(
    graph.calls
      .filter((call) => slots.has(call.outputs[0]) && hasPartialGradient(rules, call))
      .map(({layer}) => layer),
  );
}
