/**
 * Resolves the pipeline axis of a strategy: its schedule as checked lists of actions, its split
 * points, and the size of a channel between two neighbours.
 */
import * as tf from '@tensorflow/tfjs';
import {CACHE_LINE_BYTES} from '../base/cacheLine';
import {shown} from '../base/errors';
import {refuseOption} from '../base/options';
import type {Plan} from '../config/plan';
import type {StrategyRequest} from '../config/readStrategy';
import type {Graph} from '../model/graph';
import {chooseSplitPoints} from '../pipelineParallel/balance';
import {checkSchedule} from '../pipelineParallel/checkSchedule';
import type {PipelinePlan} from '../pipelineParallel/pipelineParallel';
import {microBatchesOf, stagesPerRankOf, type Schedule} from '../pipelineParallel/schedule';
import {
  defaultStagesPerRank,
  pipelineSchedule,
  promisedLive,
  type ScheduleName,
} from '../pipelineParallel/namedSchedules';
import {splitPointName, splitPointsAt, type SplitPoint} from '../pipelineParallel/splitPoints';
import type {DivisionContext, ResolvedPipeline} from './division';

/**
 * The number of micro-batches that keeps the bubble small: four times the number of ranks (Huang et
 * al. 2019, "GPipe", section 3), but at most one for each sample.
 */
function fillingMicroBatches(schedule: ScheduleName, ranks: number, batchSize: number): number {
  if (schedule === 'naive') return 1;
  return Math.max(
    schedule === 'interleaved-1f1b' ? ranks : 1,
    Math.min(4 * ranks, batchSize - (batchSize % ranks) || 1),
  );
}

function checkAgrees(name: string, inSchedule: number, asked: number | undefined): void {
  if (asked !== undefined && asked !== inSchedule)
    refuseOption(
      `${name} is ${shown(asked)} and strategy.schedule has ${shown(inSchedule)}: give it once.`,
    );
}

/** Checks a schedule that the caller wrote. */
function customSchedule(schedule: Schedule, request: StrategyRequest) {
  const ranks = request.mesh.pipeline;
  if (!Array.isArray(schedule.actions) || schedule.actions.length !== ranks)
    refuseOption(
      `strategy.schedule has a list of actions for ${shown(schedule.actions?.length)} ranks; the pipeline has ${ranks}.`,
    );
  const sizes = {
    microBatches: microBatchesOf(schedule),
    stagesPerRank: stagesPerRankOf(schedule),
  };
  checkAgrees('microBatches', sizes.microBatches, request.microBatches);
  checkAgrees('stagesPerRank', sizes.stagesPerRank, request.stagesPerRank);
  const {room} = checkSchedule(schedule);
  return {schedule, ...sizes, choseMicroBatches: false, room};
}

/**
 * Makes a named schedule, with the requested number of micro-batches or one that fills the
 * pipeline.
 */
function namedSchedule(name: ScheduleName, request: StrategyRequest, batchSize: number) {
  const {
    mesh: {pipeline: ranks, data},
    stagesPerRank = defaultStagesPerRank(name),
  } = request;
  const samples = Math.max(1, Math.floor(batchSize / data));
  const microBatches = request.microBatches ?? fillingMicroBatches(name, ranks, samples);
  const sizes = {ranks, microBatches, stagesPerRank};
  const schedule = pipelineSchedule(name, sizes);
  const {room} = checkSchedule(schedule, promisedLive(name, sizes));
  const choseMicroBatches = request.microBatches === undefined;
  return {schedule, microBatches, stagesPerRank, choseMicroBatches, room};
}

/** The number of samples in the largest micro-batch of a rank. */
const largestMicroBatch = (
  batchSize: number,
  {microBatches, mesh}: Pick<Plan, 'microBatches' | 'mesh'>,
) => Math.ceil(Math.ceil(batchSize / microBatches) / mesh.data);

/** The split points of the stages: those of `splitAt`, or balanced ones. */
function resolveSplitPoints(
  request: StrategyRequest,
  {model, graph}: DivisionContext,
  stages: number,
  samples: number,
): SplitPoint[] {
  const {splitAt, balance} = request;
  if (splitAt === undefined)
    return chooseSplitPoints(model, {stages, by: balance, samples}, graph).splitPoints;
  if (splitAt.length !== stages - 1)
    refuseOption(
      `strategy.splitAt names ${splitAt.length} beginnings of stages; ${stages} stages need ${stages - 1}, since the first stage begins with the model.`,
    );
  return splitPointsAt(graph, splitAt);
}

/** Resolves a strategy's pipeline axis. Throws BAD_OPTION and BAD_SCHEDULE. */
export function resolvePipeline(
  request: StrategyRequest,
  context: DivisionContext,
): ResolvedPipeline {
  const {graph, batchSize} = context;
  const {mesh, schedule = '1f1b'} = request;
  const resolvedSchedule =
    typeof schedule === 'object' && schedule !== null
      ? customSchedule(schedule, request)
      : namedSchedule(schedule, request, batchSize);
  const {microBatches, stagesPerRank} = resolvedSchedule;
  const points = resolveSplitPoints(
    request,
    context,
    mesh.pipeline * stagesPerRank,
    largestMicroBatch(batchSize, {microBatches, mesh}),
  );
  return {...resolvedSchedule, splitAt: points.map((point) => splitPointName(graph, point))};
}

/** A plan's pipeline in the form that its ranks need; null if the plan has none. */
export function pipelineOf(graph: Graph, {mesh, schedule, splitAt}: Plan): PipelinePlan | null {
  if (mesh.pipeline === 1) return null;
  return {schedule: schedule!, splitPoints: splitPointsAt(graph, splitAt!)};
}

/**
 * The bytes of a channel, which holds `room` unread messages from one stage to a neighbour.
 */
export function channelBytes(
  {splitPoints}: PipelinePlan,
  room: number,
  plan: Plan,
  batchSize: number,
): number {
  const largest = Math.max(...splitPoints.map(({shape}) => tf.util.sizeFromShape(shape)));
  return room * (4 * largestMicroBatch(batchSize, plan) * largest + CACHE_LINE_BYTES);
}
