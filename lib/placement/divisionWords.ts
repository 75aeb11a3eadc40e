/**
 * Describes in words what a strategy divides, and warns of traffic that is easily overlooked.
 */
import {ManyHandsError} from '../base/errors';
import type {ZeroStage} from '../config/plan';
import type {StrategyRequest} from '../config/readStrategy';
import {HOLDS, SHARDED} from '../zero/stageText';
import type {ResolvedPipeline} from './division';

function pipelineClause(
  {mesh, schedule: asked = '1f1b'}: StrategyRequest,
  pipeline: ResolvedPipeline,
) {
  const {schedule, microBatches, stagesPerRank, choseMicroBatches} = pipeline;
  const stages = mesh.pipeline * stagesPerRank;
  const passage =
    typeof asked === 'object'
      ? `the schedule '${schedule.name}' takes ${microBatches} micro-batches through`
      : `${microBatches} micro-batches${choseMicroBatches ? ' (chosen)' : ''} follow the schedule '${schedule.name}' through`;
  return `the model is split into ${stages} stages, and ${passage} all of them`;
}

function tensorClause({mesh: {tensor, size}, sequenceParallel}: StrategyRequest): string {
  const alone = tensor === size;
  const positions = sequenceParallel
    ? `, and between the divided layers its own positions of ${alone ? 'each' : 'every sample'}`
    : '';
  return `each of ${tensor} devices has a part of the large weights${alone ? ' and sees every sample' : ''}${positions}`;
}

function dataClause({mesh: {data, size}, zero}: StrategyRequest): string {
  if (data === size)
    return `each of ${data} devices ${HOLDS[zero]} and sees its share of every batch`;
  const divided = zero > 0 ? `, and divides ${SHARDED[zero]} with the others` : '';
  return `each of ${data} replicas of this sees its share of every batch${divided}`;
}

/** One clause for each axis with several ranks. */
export function divisionInWords(
  request: StrategyRequest,
  pipeline: ResolvedPipeline | null,
): string {
  const {mesh} = request;
  if (mesh.size === 1) return 'one device has nothing to divide';
  return [
    ...(pipeline ? [pipelineClause(request, pipeline)] : []),
    ...(mesh.tensor > 1 ? [tensorClause(request)] : []),
    ...(mesh.data > 1 ? [dataClause(request)] : []),
  ].join('; ');
}

/**
 * A sentence about the extra traffic of ZeRO in a pipeline; null if there is none. Throws
 * BAD_OPTION if the schedule computes the gradients of weights too late for ZeRO.
 */
export function trafficWarning(
  zero: ZeroStage,
  {schedule, microBatches}: ResolvedPipeline,
): string | null {
  if (zero < 2) return null;
  if (schedule.actions.flat().some(({do: kind}) => kind === 'backwardInput')) {
    throw new ManyHandsError(
      'BAD_OPTION',
      `strategy.zero: ${zero} gives gradients away after each backward, but the schedule '${schedule.name}' computes the gradients of the weights later: take zero 0 or 1, or '1f1b'.`,
    );
  }
  if (microBatches === 1) return null;
  const gathers = zero === 3 ? `, and weights are gathered ${2 * microBatches} times` : '';
  return `Mind the extra traffic: with zero ${zero} gradients are reduced in each of ${microBatches} micro-batches, not once per step${gathers}; zero 1 sends a ${microBatches === 2 ? 'half' : `${microBatches}th`} of them.`;
}
