/**
 * Sequence parallelism (Korthikanti et al. 2022, section 4.2.2): between sharded layers
 * each rank holds and computes only its own positions of every sample, [samples, positions / N,
 * ...].
 */
import {ManyHandsError} from '../base/errors';
import {partStart} from '../collectives/types';
import {outputShape, slotShape, type Graph, type LayerCall, type Slot} from '../model/graph';
import {shardedOf, type Rules} from './layout';
import {perPositionOf} from './perPosition';
import type {LayoutPart} from './rules';

export interface SequencePlan {
  /** The slots that are sharded by positions, dim 1. */
  slots: ReadonlySet<Slot>;
  /** This rank's positions. */
  positions: LayoutPart;
}

/** The number of positions of a call's output; null if it has none, or if the number is open. */
function positionsIn(call: LayerCall): number | null {
  const shape = outputShape(call);
  return shape.length > 2 ? shape[1] : null;
}

/**
 * Whether a call's output is partial: a sum over the ranks. For some rules that depends on the
 * input's number of dims.
 */
function isPartialOutput(graph: Graph, rules: Rules, call: LayerCall): boolean {
  if (rules[call.name] === undefined) return false;
  const inputShape = slotShape(graph, call.inputs[0]);
  return shardedOf(call.layer, rules[call.name]).outputPlacement(inputShape.length) === 'partial';
}

/**
 * Whether a rank that sees only its own positions has just a summand of the gradients of the
 * layer's replicated weights.
 */
const hasPartialGradient = (rules: Rules, {name, layer}: LayerCall) =>
  !rules[name] || shardedOf(layer, rules[name]).finish !== undefined;

/**
 * The slots that stay sharded by positions: partial outputs, and what per-position layers make of
 * them. The model's outputs are always whole.
 */
function slotsByPosition(graph: Graph, rules: Rules, length: number): Set<Slot> {
  const slots = new Set<Slot>();
  const uses = (layer: LayerCall['layer']) =>
    graph.calls.filter((call) => call.layer === layer).length;
  for (const call of graph.calls) {
    const [output] = call.outputs;
    if (graph.outputs.includes(output) || positionsIn(call) !== length) continue;
    // If the layer also runs on whole tensors elsewhere, one of its gradients would be complete and
    // the other only a summand.
    if (hasPartialGradient(rules, call) && call.layer.weights.length > 0 && uses(call.layer) > 1)
      continue;
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
 * The slots and positions of `rank` of `size`. Throws BAD_OPTION if nothing can be sharded by
 * positions, or if their number is not divisible by `size`.
 */
export function planSequence(graph: Graph, rules: Rules, rank: number, size: number): SequencePlan {
  const partialCalls = graph.calls.filter(
    (call) => isPartialOutput(graph, rules, call) && !graph.outputs.includes(call.outputs[0]),
  );
  const length = partialCalls
    .map((call) => positionsIn(call))
    .find((positions) => positions !== null);
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

/** The layers whose replicated weights have gradients that must be summed over the ranks. */
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
