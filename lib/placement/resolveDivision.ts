/**
 * Resolves a strategy against a model: the schedule, the split points and the layout become
 * definite, and the plan describes in words what is divided.
 */
import {ManyHandsError} from '../base/errors';
import type {StrategyRequest} from '../config/readStrategy';
import type {Graph} from '../model/graph';
import {segmentsOf} from '../model/segments';
import {splitPointsAt} from '../pipelineParallel/splitPoints';
import {resolveLayout, type Rules} from '../tensorParallel/layout';
import {planSequence} from '../tensorParallel/sequence';
import type {Division, DivisionContext} from './division';
import {divisionInWords, trafficWarning} from './divisionWords';
import {batchNormWarning, refuseLayers, refuseStateful} from './refuseLayers';
import {resolvePipeline} from './resolvePipeline';

function resolveTensor(graph: Graph, {mesh, layout, sequenceParallel}: StrategyRequest): Rules {
  const rules = resolveLayout(graph, layout, mesh.tensor);
  // This call only checks: it throws if sequence parallelism cannot divide the model.
  if (sequenceParallel) planSequence(graph, rules, 0, mesh.tensor);
  return rules;
}

/** A sentence that names the layers whose weights are not divided. */
function replicatedLayers(graph: Graph, rules: Rules): string {
  const names = graph.calls
    .filter(({name, layer}) => !rules[name] && layer.weights.length > 0)
    .map(({name}) => name);
  return names.length > 0 ? ` Whole on every device: ${[...new Set(names)].join(', ')}.` : '';
}

/**
 * Returns the complete plan of `request` for a model, whose schedule is checked here and only here. Throws BAD_OPTION and BAD_SCHEDULE if the
 * model cannot be divided in this way.
 */
export function resolveDivision(request: StrategyRequest, context: DivisionContext): Division {
  const {graph, batchSize, origin, because} = context;
  const {mesh, zero, recompute, sequenceParallel} = request;
  refuseStateful(graph, {mesh, microBatches: request.microBatches ?? 1});
  const pipeline = mesh.pipeline > 1 ? resolvePipeline(request, context) : null;
  const microBatches = pipeline?.microBatches ?? request.microBatches ?? 1;
  if (microBatches > batchSize)
    throw new ManyHandsError(
      'BAD_OPTION',
      `microBatches must be at most batchSize, which is ${batchSize}; it is ${microBatches}.`,
    );
  // This call only checks: it refuses a wrong name before a worker starts.
  if (recompute !== 'none') segmentsOf(graph, recompute);
  const layerPlan = {mesh, microBatches, sequenceParallel};
  const splitPoints = pipeline ? splitPointsAt(graph, pipeline.splitAt) : [];
  refuseLayers(graph, layerPlan, batchSize, splitPoints);
  const warnings = [
    pipeline && trafficWarning(zero, pipeline),
    batchNormWarning(graph, layerPlan),
  ].filter((text) => text !== null);
  const warning = warnings.join(' ');
  const layout = mesh.tensor > 1 ? resolveTensor(graph, request) : null;
  const division = divisionInWords(request, pipeline);
  const plan = {
    mesh,
    zero,
    microBatches,
    recompute,
    ...(pipeline && {
      schedule: pipeline.schedule,
      stagesPerRank: pipeline.stagesPerRank,
      splitAt: pipeline.splitAt,
    }),
    ...(layout && {layout}),
    ...(layout && sequenceParallel && {sequenceParallel}),
    ...(warning && {warning}),
    origin,
    reason: `${because}: ${division}.${warning ? ` ${warning}` : ''}${layout ? replicatedLayers(graph, layout) : ''}`,
  };
  return {plan, room: pipeline?.room ?? 0};
}
