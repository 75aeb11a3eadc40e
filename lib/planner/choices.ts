/**
 * Every sensible way to train a model on a number of devices.
 */
import {divisors} from '../base/numbers';
import type * as tf from '@tensorflow/tfjs';
import {ManyHandsError} from '../base/errors';
import {Mesh} from '../mesh/mesh';
import {refuseLayers} from '../placement/refuseLayers';
import {chooseSplitPoints} from '../pipelineParallel/balance';
import {pipelineSchedule} from '../pipelineParallel/namedSchedules';
import type {SplitPoint} from '../pipelineParallel/splitPoints';
import type {Graph} from '../model/graph';
import type {Recompute} from '../model/segments';
import {resolveLayout} from '../tensorParallel/layout';
import type {ModelChoice} from './modelChoice';

/** The numbers of micro-batches that a pipeline is tried with, as multiples of its stages. */
const MICRO_BATCHES_PER_STAGE = [1, 2, 4];
/** The number of micro-batches for gradient accumulation without a pipeline. */
const ACCUMULATION = 4;

/** Returns null where the model does not allow a choice, so that `make` refuses it. */
function orNull<T>(make: () => T): T | null {
  try {
    return make();
  } catch (error) {
    if (error instanceof ManyHandsError) return null;
    throw error;
  }
}

/** Every mesh whose size divides `devices`. */
function meshes(devices: number): Mesh[] {
  return divisors(devices).flatMap((size) =>
    divisors(size).flatMap((tensor) =>
      divisors(size / tensor).map(
        (pipeline) => new Mesh({tensor, pipeline, data: size / tensor / pipeline}),
      ),
    ),
  );
}

/** `recompute: 'block'` is a choice only where a block has several layers. */
function recomputesOf({calls}: Graph): Recompute[] {
  return calls.some(({block}, i) => calls.some((other, j) => i !== j && other.block === block))
    ? ['none', 'block']
    : ['none'];
}

/** Every choice for a step over `batchSize` samples on up to `devices` devices. */
export function modelChoices(
  {model, graph}: {model: tf.LayersModel; graph: Graph},
  batchSize: number,
  devices: number,
): ModelChoice[] {
  const layoutOf = memoized((tensor) =>
    tensor === 1 ? {} : orNull(() => resolveLayout(graph, undefined, tensor)),
  );
  // A run balances its stages by one sample, whatever the batch.
  const splitPointsOf = memoized((stages) =>
    stages === 1 ? [] : orNull(() => chooseSplitPoints(model, {stages}, graph).splitPoints),
  );
  const runs = (mesh: Mesh, microBatches: number, splitPoints: SplitPoint[]) =>
    orNull(() => refuseLayers(graph, {mesh, microBatches}, batchSize, splitPoints)) !== null;
  const recomputes = recomputesOf(graph);
  const choices: ModelChoice[] = [];
  for (const mesh of meshes(devices)) {
    const rules = layoutOf(mesh.tensor);
    const splitPoints = splitPointsOf(mesh.pipeline);
    const samples = Math.floor(batchSize / mesh.data);
    if (rules === null || splitPoints === null || samples < 1) continue;
    const zeros = mesh.data > 1 ? ([0, 1, 2, 3] as const) : ([0] as const);
    for (const microBatches of microBatchesOf(mesh, samples)) {
      if (!runs(mesh, microBatches, splitPoints)) continue;
      const pipeline =
        mesh.pipeline === 1
          ? null
          : {
              schedule: pipelineSchedule('1f1b', {ranks: mesh.pipeline, microBatches}),
              splitPoints,
            };
      for (const zero of zeros)
        for (const recompute of recomputes)
          choices.push({mesh, zero, microBatches, recompute, rules, pipeline});
    }
    // Accumulation reduces activations without any other division.
    if (mesh.pipeline === 1 && samples >= ACCUMULATION && runs(mesh, ACCUMULATION, []))
      for (const zero of zeros)
        choices.push({
          mesh,
          zero,
          microBatches: ACCUMULATION,
          recompute: 'none',
          rules,
          pipeline: null,
        });
  }
  return choices;
}

/** The numbers of micro-batches to try for a replica's share of `samples` samples. */
function microBatchesOf({pipeline}: Mesh, samples: number): number[] {
  if (pipeline === 1) return [1];
  return MICRO_BATCHES_PER_STAGE.map((times) => times * pipeline).filter((m) => m <= samples);
}

/** Computes each size's value once. */
function memoized<T>(compute: (size: number) => T): (size: number) => T {
  const values = new Map<number, T>();
  return (size) => {
    if (!values.has(size)) values.set(size, compute(size));
    return values.get(size)!;
  };
}
