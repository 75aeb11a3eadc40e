/**
 * A pipeline stage as a graph of its own: the layers between two split points, with the
 * slots and call indices of the whole model.
 */
import type {Graph, Slot} from '../model/graph';
import type {Segment} from '../model/segments';
import type {SplitPoint} from './splitPoints';

/** The tensor that enters or leaves a stage: its slot, and its shape without the samples' dim. */
interface StageBoundary {
  slot: Slot;
  shape: number[];
}

export interface StageGraph {
  /** Counts all stages of the pipeline from 0. */
  index: number;
  /**
   * Its inputs are the previous stage's output, if there is one, then the model inputs that it
   * reads.
   */
  graph: Graph;
  /** The indices of the model inputs that it reads. */
  modelInputs: number[];
  /** Null for the first stage. */
  from: StageBoundary | null;
  /** Null for the last stage, whose outputs are the model's. */
  to: StageBoundary | null;
}

/** All stages, in order. */
export function stageGraphs(model: Graph, splitPoints: readonly SplitPoint[]): StageGraph[] {
  const bounds = [0, ...splitPoints.map(({callIndex}) => callIndex), model.calls.length];
  return bounds.slice(1).map((end, index): StageGraph => {
    const calls = model.calls.slice(bounds[index], end);
    const to = index < splitPoints.length ? splitPoints[index] : null;
    // A model input may be an output too.
    const reads = new Set([...calls.flatMap(({inputs}) => inputs), ...(to ? [] : model.outputs)]);
    const modelInputs = model.inputs.flatMap((slot, i) => (reads.has(slot) ? [i] : []));
    const from = index > 0 ? splitPoints[index - 1] : null;
    const inputs = [...(from ? [from.slot] : []), ...modelInputs.map((i) => model.inputs[i])];
    return {
      index,
      graph: {...model, calls, inputs, outputs: to ? [to.slot] : model.outputs},
      modelInputs,
      from,
      to,
    };
  });
}

/**
 * The stage's part of the model's segments. With `recomputeAll`, the whole stage is one segment
 * that is recomputed.
 */
export function stageSegments(
  {graph}: StageGraph,
  segments: readonly Segment[],
  recomputeAll: boolean,
): Segment[] {
  if (recomputeAll) return [{calls: graph.calls, recompute: true}];
  const stageCalls = new Set(graph.calls);
  return segments
    .map(({calls, recompute}) => ({calls: calls.filter((call) => stageCalls.has(call)), recompute}))
    .filter(({calls}) => calls.length > 0);
}
