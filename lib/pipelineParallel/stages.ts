/**
 * A stage as a graph of its own: a run of the model's layers between two cuts, with
 * the slots and numbers of the whole.
 */
import type {Graph, Slot} from '../model/graph';
import type {Segment} from '../model/segments';
import type {SplitPoint} from './splitPoints';

/** What goes in or out of a stage: a slot, and the shape without the samples' dim. */
export interface Boundary {
  slot: Slot;
  shape: number[];
}

export interface StageGraph {
  /** Counts all stages of the pipeline from 0. */
  index: number;
  /**
   * Its inputs are what the stage before made, where there is one, then the model's inputs that it
   * reads.
   */
  graph: Graph;
  /** Which of the model's inputs it reads, by their place. */
  modelInputs: number[];
  /** Null where the pipeline begins. */
  from: Boundary | null;
  /** Null where it ends: the graph's outputs are the model's. */
  to: Boundary | null;
}

/** All stages, in order. */
export function stageGraphs(whole: Graph, cuts: readonly SplitPoint[]): StageGraph[] {
  const bounds = [0, ...cuts.map(({at}) => at), whole.calls.length];
  return bounds.slice(1).map((end, index): StageGraph => {
    const calls = whole.calls.slice(bounds[index], end);
    const reads = new Set(calls.flatMap(({inputs}) => inputs));
    const modelInputs = whole.inputs.flatMap((slot, i) => (reads.has(slot) ? [i] : []));
    const from = index > 0 ? cuts[index - 1] : null;
    const to = index < cuts.length ? cuts[index] : null;
    const inputs = [...(from ? [from.slot] : []), ...modelInputs.map((i) => whole.inputs[i])];
    return {
      index,
      graph: {...whole, calls, inputs, outputs: to ? [to.slot] : whole.outputs},
      modelInputs,
      from,
      to,
    };
  });
}

/**
 * The stage's part of the whole graph's segments; with `all`, the stage is one segment that is
 * computed again.
 */
export function stageSegments(
  {graph}: StageGraph,
  segments: readonly Segment[],
  all: boolean,
): Segment[] {
  if (all) return [{calls: graph.calls, recompute: true}];
  const own = new Set(graph.calls);
  return segments
    .map(({calls, recompute}) => ({calls: calls.filter((call) => own.has(call)), recompute}))
    .filter(({calls}) => calls.length > 0);
}
