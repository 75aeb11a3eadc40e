/**
 * Refuses models whose layers a strategy cannot run as fit does, before a worker starts.
 */
import {ManyHandsError} from '../base/errors';
import type {Plan} from '../config/plan';
import {slotShape, type Graph, type LayerCall} from '../model/graph';
import {fixedSamples} from '../model/fixedSamples';
import {innerLayers, isBatchNorm, mayKeepState, statefulParts} from '../model/layerState';
import {batchNormFields} from '../model/tfjsLayers';
import type {SplitPoint} from '../pipelineParallel/splitPoints';
import {movesWeights, movingWeights} from '../step/constantWeights';
import {perPositionOf} from '../tensorParallel/perPosition';

/** The parts of a plan that decide which layers it can run. */
export type LayerPlan = Pick<Plan, 'mesh' | 'microBatches' | 'sequenceParallel'>;

const refuse = (message: string) => new ManyHandsError('BAD_MODEL', message);

/** The batch norms in a layer: itself, or those that it wraps. */
const batchNorms = (layer: LayerCall['layer']): Array<LayerCall['layer']> => [
  ...(isBatchNorm(layer) ? [layer] : []),
  ...innerLayers(layer).flatMap(batchNorms),
];

/** The most dims of a batch norm's input in tfjs 4.22 (normalization.ts). */
const MOST_DIMS = 4;

/** Throws BAD_MODEL for layers that tfjs itself cannot train. */
export function refuseUntrainable(graph: Graph): void {
  const {calls, outputs} = graph;
  for (const {name, layer, inputs} of calls) {
    const shape = slotShape(graph, inputs[0]);
    if (isBatchNorm(layer) && shape.length > MOST_DIMS)
      throw refuse(
        `the layer '${name}' is a batchNormalization of an input of shape [${shape.map((length) => length ?? 'any')}], and tfjs 4.22 has it for at most ${MOST_DIMS} dims: put a reshape before and after it.`,
      );
    for (const {gamma, beta} of batchNorms(layer).map(batchNormFields)) {
      if (gamma && beta) continue;
      throw refuse(
        `the layer '${name}' is a batchNormalization with ${gamma ? 'center' : 'scale'}: false, which tfjs 4.22 cannot train (its training step needs both weights): leave scale and center true.`,
      );
    }
  }
  const repeated = outputs.filter((slot, i) => outputs.indexOf(slot) !== i);
  const twice = calls.find((call) => call.outputs.some((slot) => repeated.includes(slot)));
  if (twice)
    throw refuse(
      `the model lists the output '${twice.name}' twice, which tfjs's fit cannot train: name each tensor once in tf.model({outputs}).`,
    );
}

/** A clause that says how a plan divides a batch; null if each rank sees the whole batch at once. */
function divisionOf({mesh, microBatches}: LayerPlan): string | null {
  const parts = [
    ...(mesh.data > 1 ? [`among ${mesh.data} ranks`] : []),
    ...(microBatches > 1 ? [`into ${microBatches} micro-batches`] : []),
  ];
  return parts.length > 0 ? `divides each batch ${parts.join(' and ')}` : null;
}

/** Throws BAD_MODEL if a plan cannot carry a stateful layer's states. */
export function refuseStateful(graph: Graph, plan: LayerPlan): void {
  const call = graph.calls.find(({layer}) => layer.stateful || statefulParts(layer).length > 0);
  if (!call) return;
  const {name, layer} = call;
  if (statefulParts(layer).length === 0)
    throw refuse(
      `the layer '${name}' (${layer.getClassName()}) says that it is stateful, and only tfjs's recurrent layers can give their states to a worker: keep the state in a weight (addWeight with trainable false), and leave stateful out.`,
    );
  const why =
    divisionOf(plan) ?? (plan.mesh.pipeline > 1 ? 'runs the layers on several ranks' : null);
  if (why)
    throw refuse(
      `the layer '${name}' is stateful: it carries a state of every sample from batch to batch, and this strategy ${why}. Use train on one device with microBatches 1, or set stateful: false.`,
    );
}

/** Throws BAD_MODEL if a layer changes weights by samples of which the plan shows it only a part. */
function refuseMoving(graph: Graph, plan: LayerPlan): void {
  const parted = divisionOf(plan) !== null;
  for (const call of graph.calls) {
    if (isBatchNorm(call.layer) || !mayKeepState(call.layer)) continue;
    const byPosition = plan.sequenceParallel && perPositionOf(call.layer) !== null;
    if ((parted || byPosition) && movesWeights(graph, call)) throw movingWeights(call);
  }
}

/** Throws BAD_MODEL if ranks of a pipeline would each move their own copy of a layer's averages. */
function refuseShared(graph: Graph, {mesh}: LayerPlan, splitPoints: readonly SplitPoint[]): void {
  const stageOf = ({index}: LayerCall) =>
    splitPoints.filter(({callIndex}) => callIndex <= index).length;
  for (const call of graph.calls) {
    if (!mayKeepState(call.layer)) continue;
    const other = graph.calls.find(
      ({index, layer}) =>
        layer === call.layer &&
        stageOf({...call, index}) % mesh.pipeline !== stageOf(call) % mesh.pipeline,
    );
    if (other && movesWeights(graph, call))
      throw refuse(
        `the layer '${call.name}' is used in stages ${stageOf(call)} and ${stageOf(other)} of the pipeline, which different ranks run, so each rank would move averages of its own: choose splitAt so that all its uses are in one stage, or take another strategy.`,
      );
  }
}

/** Throws BAD_MODEL if a layer takes another number of samples than it gets. */
function refuseFixed(graph: Graph, plan: LayerPlan, batchSize: number): void {
  const fixed = fixedSamples(graph);
  const parts = plan.mesh.data * plan.microBatches;
  if (!fixed || batchSize === fixed.samples * parts) return;
  const {name, samples} = fixed;
  throw refuse(
    parts === 1
      ? `the layer '${name}' takes exactly ${samples} samples (the first dim of batchInputShape), and batchSize is ${batchSize}: give batchSize ${samples}.`
      : `the layer '${name}' takes exactly ${samples} samples (the first dim of batchInputShape), and this strategy ${divisionOf(plan)}, so that it would get ${batchSize / parts} of ${batchSize}: use inputShape, which leaves the number open, or train on one device.`,
  );
}

/**
 * Throws BAD_MODEL for a layer that cannot run under a plan as in fit, with its name and what to do
 * instead. `splitPoints`: those of a pipeline.
 */
export function refuseLayers(
  graph: Graph,
  plan: LayerPlan,
  batchSize: number,
  splitPoints: readonly SplitPoint[] = [],
): void {
  refuseStateful(graph, plan);
  refuseFixed(graph, plan, batchSize);
  refuseMoving(graph, plan);
  if (plan.mesh.pipeline > 1) refuseShared(graph, plan, splitPoints);
}

/** A sentence about batch norm in micro-batches; null if the plan has none. */
export function batchNormWarning({calls}: Graph, {microBatches}: LayerPlan): string | null {
  const norm = calls.find(({layer}) => isBatchNorm(layer));
  if (!norm || microBatches === 1) return null;
  return `The layer '${norm.name}' is batch norm: it normalizes each of ${microBatches} micro-batches by itself and moves its averages ${microBatches} times a step, so steps differ from those of whole batches.`;
}
