/**
 * A plan's model as its ranks divide it: a pipeline's checked schedule, its cuts and
 * the room for what is under way; a tensor-parallel layout.
 */
import * as tf from '@tensorflow/tfjs';
import {ManyHandsError, shown} from '../base/errors';
import {chooseSplitPoints, type Balance} from '../pipelineParallel/balance';
import {checkSchedule} from '../pipelineParallel/checkSchedule';
import {splitPointName, splitPointsAt, type SplitPoint} from '../pipelineParallel/splitPoints';
import type {PipelinePlan} from '../pipelineParallel/pipelineParallel';
import {pipelineSchedule, promisedLive} from '../pipelineParallel/namedSchedules';
import {readGraph, type Graph} from '../model/graph';
import {resolveLayout, type Layout, type Rules} from '../tensorParallel/layout';
import {planSequence} from '../tensorParallel/sequence';
import type {Plan} from '../config/strategy';

const CACHE_LINE = 64;

/** Where the stages begin, as asked or balanced. */
function cutsOf(
  model: tf.LayersModel,
  splitAt: unknown,
  balance: Balance | undefined,
  stages: number,
  samples: number,
): {graph: Graph; splitPoints: SplitPoint[]} {
  if (splitAt === undefined) return chooseSplitPoints(model, {stages, by: balance, samples});
  if (balance !== undefined)
    throw new ManyHandsError(
      'BAD_OPTION',
      'strategy.splitAt says where to cut and strategy.balance how to choose: give one of them.',
    );
  if (!Array.isArray(splitAt) || !splitAt.every((name) => typeof name === 'string'))
    throw new ManyHandsError(
      'BAD_OPTION',
      `strategy.splitAt must be a list of the names of blocks or layers; it is ${shown(splitAt)}.`,
    );
  if (splitAt.length !== stages - 1)
    throw new ManyHandsError(
      'BAD_OPTION',
      `strategy.splitAt names ${splitAt.length} beginnings of stages; ${stages} stages want ${stages - 1}, since the first begins with the model.`,
    );
  const graph = readGraph(model);
  return {graph, splitPoints: splitPointsAt(graph, splitAt)};
}

/** What `strategy` says of how the model is divided. */
export interface Cutting {
  splitAt?: string[];
  balance?: Balance;
  layout?: Layout;
}

/**
 * The plan of a tensor-parallel run with the rule of each divided layer, and what is whole in its
 * reason. Throws BAD_OPTION.
 */
export function resolveTensor(
  model: tf.LayersModel,
  plan: Plan,
  {layout}: Cutting,
): Plan & {layout: Rules} {
  const graph = readGraph(model);
  const rules = resolveLayout(graph, layout, plan.mesh.tensor);
  // Says what is wrong with it.
  if (plan.sequenceParallel) planSequence(graph, rules, 0, plan.mesh.tensor);
  const whole = [
    ...new Set(
      graph.calls
        .filter(({name, layer}) => !rules[name] && layer.weights.length > 0)
        .map(({name}) => name),
    ),
  ];
  const rest = whole.length > 0 ? ` Whole on every device: ${whole.join(', ')}.` : '';
  return {...plan, layout: rules, reason: `${plan.reason}${rest}`};
}

/**
 * The plan for the ranks, its cuts by name, and bytes for the messages that are under way between
 * two ranks one way. Throws BAD_OPTION and BAD_SCHEDULE.
 */
export function resolvePipeline(
  model: tf.LayersModel,
  plan: Plan,
  {splitAt, balance}: Cutting,
  batchSize: number,
): {pipeline: PipelinePlan; splitAt: string[]; channelBytes: number} {
  const {
    mesh: {pipeline: ranks, data},
    microBatches,
  } = plan;
  const stagesPerRank = plan.stagesPerRank!;
  const named = typeof plan.schedule === 'string' ? plan.schedule : null;
  const sizes = {ranks, microBatches, stagesPerRank};
  const schedule = named
    ? pipelineSchedule(named, sizes)
    : (plan.schedule as PipelinePlan['schedule']);
  const {room} = checkSchedule(schedule, named ? promisedLive(named, sizes) : undefined);
  const samples = Math.ceil(Math.ceil(batchSize / microBatches) / data);
  const {graph, splitPoints} = cutsOf(model, splitAt, balance, ranks * stagesPerRank, samples);
  const largest = Math.max(...splitPoints.map(({shape}) => tf.util.sizeFromShape(shape)));
  return {
    pipeline: {schedule, splitPoints},
    splitAt: splitPoints.map((splitPoint) => splitPointName(graph, splitPoint)),
    channelBytes: room * (4 * samples * largest + CACHE_LINE),
  };
}
