/**
 * Every way to train a model on so many devices that makes sense, each as the run
 * would take it.
 */
import {divisors} from '../base/numbers';
import type * as tf from '@tensorflow/tfjs';
import {ManyHandsError} from '../base/errors';
import {Mesh} from '../mesh/mesh';
import {chooseSplitPoints} from '../pipelineParallel/balance';
import type {SplitPoint} from '../pipelineParallel/splitPoints';
import {pipelineSchedule} from '../pipelineParallel/namedSchedules';
import {readGraph, type Graph} from '../model/graph';
import type {Recompute} from '../model/segments';
import {resolveLayout, type Rules} from '../tensorParallel/layout';
import type {ModelChoice} from './cost';

/** As many micro-batches as a pipeline is tried with: stages, and so many times that. */
const MICRO_BATCHES = [1, 2, 4];

/** What a builder refuses is no choice. */
function orNull<T>(make: () => T): T | null {
  try {
    return make();
  } catch (error) {
    if (error instanceof ManyHandsError) return null;
    throw error;
  }
}

/**
 * Every mesh of up to `devices` ranks: of one, of all, and of the sizes between that divide them.
 */
function meshes(devices: number): Mesh[] {
  return divisors(devices).flatMap((size) =>
    divisors(size).flatMap((tensor) =>
      divisors(size / tensor).map(
        (pipeline) => new Mesh({tensor, pipeline, data: size / tensor / pipeline}),
      ),
    ),
  );
}

/**
 * The blocks of several layers, where there are any: without them `recompute: 'block'` has nothing
 * to compute again.
 */
function recomputesOf({calls}: Graph): Recompute[] {
  return calls.some(({block}, i) => calls.some((other, j) => i !== j && other.block === block))
    ? ['none', 'block']
    : ['none'];
}

/** All choices for a step over `batchSize` samples. */
export function modelChoices(
  model: tf.LayersModel,
  batchSize: number,
  devices: number,
): ModelChoice[] {
  const graph = readGraph(model);
  const layouts = new Map<number, Rules | null>();
  const layoutOf = (tensor: number) => {
    if (!layouts.has(tensor))
      layouts.set(
        tensor,
        tensor === 1 ? {} : orNull(() => resolveLayout(graph, undefined, tensor)),
      );
    return layouts.get(tensor)!;
  };
  // The balance that a run takes looks at a sample, whatever the batch.
  const cuts = new Map<number, SplitPoint[] | null>();
  const cutsOf = (stages: number) => {
    if (!cuts.has(stages))
      cuts.set(
        stages,
        orNull(() => chooseSplitPoints(model, {stages}).splitPoints),
      );
    return cuts.get(stages)!;
  };
  const recomputes = recomputesOf(graph);
  const found: ModelChoice[] = [];
  for (const mesh of meshes(devices)) {
    const rules = layoutOf(mesh.tensor);
    const share = Math.floor(batchSize / mesh.data);
    if (rules === null || share < 1) continue;
    const zeros = mesh.data > 1 ? ([0, 1, 2, 3] as const) : ([0] as const);
    const stages = mesh.pipeline > 1 ? cutsOf(mesh.pipeline) : [];
    if (stages === null) continue;
    for (const microBatches of mesh.pipeline === 1
      ? [1]
      : MICRO_BATCHES.map((times) => times * mesh.pipeline).filter((m) => m <= share)) {
      const pipeline =
        mesh.pipeline === 1
          ? null
          : {
              schedule: pipelineSchedule('1f1b', {ranks: mesh.pipeline, microBatches}),
              cuts: stages,
            };
      for (const zero of zeros)
        for (const recompute of recomputes)
          found.push({mesh, zero, microBatches, recompute, rules, pipeline});
    }
    // Accumulation makes activations smaller where nothing else does.
    if (mesh.pipeline === 1 && share >= 4)
      for (const zero of zeros)
        found.push({mesh, zero, microBatches: 4, recompute: 'none', rules, pipeline: null});
  }
  return found;
}
