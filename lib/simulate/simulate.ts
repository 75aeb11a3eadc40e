/**
 * `simulate(options)`: one training step on a virtual clock, for any schedule and any mesh, however
 * many devices it needs.
 */
import {sum} from '../base/statistics';
import type {Mesh} from '../mesh/mesh';
import {bubbleOf} from '../pipelineParallel/recorded';
import type {Schedule} from '../pipelineParallel/schedule';
import {
  simulateSchedule,
  type CostOf,
  type ScheduleTimeline,
} from '../pipelineParallel/simulateSchedule';
import type {Span} from '../trace/spans';
import type {CheckedCosts} from './costs';
import {readSimulation, type SimulationOptions} from './readSimulation';
import {spansOf, type StepEnd} from './spans';

/** One rank's step. All fields except `rank` and `live` are seconds; they add up to the step's. */
export interface SimulatedRank {
  rank: number;
  /** Seconds of forward and backward, without the tensor axis's collectives. */
  compute: number;
  /** Seconds of the tensor axis's collectives. */
  tensor: number;
  /** Seconds of sending to other stages. */
  send: number;
  /** Seconds of the data axis's collectives. */
  data: number;
  /** Seconds of the optimizer's update. */
  update: number;
  /** Seconds of waiting, for messages or for the other ranks at the end of the step. */
  wait: number;
  /** The most micro-batches (of one local stage each) whose activations are alive at once. */
  live: number;
}

/** A simulated step. */
export interface Simulation {
  mesh: Mesh;
  schedule: Schedule;
  /** The costs as `scheduleDrawing` takes them: `scheduleDrawing(schedule, {costOf})`. */
  costOf: CostOf;
  /** Seconds from the first forward to the last update. */
  seconds: number;
  /**
   * The share of the ranks' time up to their last backward, less the time of sends, in which they do
   * not compute: as `bubble` measures it in a real run.
   */
  bubble: number;
  /**
   * The ranks of the first pipeline, in pipeline order. The ranks with the same pipeline coordinate
   * do the same at the same time.
   */
  ranks: SimulatedRank[];
  /** The spans that a real run's trace has of a step: `timelineFigure({spans})` draws them. */
  spans: Span[];
}

/** When each rank of a pipeline finishes its actions, and when all of them may update. */
function stepEndOf(timeline: ScheduleTimeline, {data}: CheckedCosts, ranks: number): StepEnd {
  const worked = new Array<number>(ranks).fill(0);
  for (const {rank, end} of [...timeline.played, ...timeline.messages])
    worked[rank] = Math.max(worked[rank], end);
  const reduced = worked.map((end, pipelineRank) => end + data[pipelineRank]);
  const updateStart = reduced.reduce((latest, end) => Math.max(latest, end), 0);
  return {worked, reduced, updateStart};
}

/**
 * Simulates one step of `schedule` on `mesh` with `costs` in seconds, and returns its duration, its
 * bubble, where each rank's time goes, and spans to draw. No model, data or device is needed.
 *
 * Replicas and tensor ranks do the same at the same time, so one pipeline is simulated for all of
 * them. Nothing overlaps: a rank that sends does not compute, and the data axis reduces after a
 * rank's last micro-batch. `bubble` agrees with `bubbleFormula` where all stages cost the same and
 * sends cost nothing (Narayanan et al. 2021, "Efficient large-scale language model training",
 * section 2.2).
 *
 * Throws BAD_OPTION for an unknown option, for a cost that is missing, negative or for an axis that
 * the mesh does not have, for a schedule for another number of ranks, and for ranks outside the
 * mesh. Throws BAD_SCHEDULE where a schedule of your own cannot run.
 */
export function simulate(options: SimulationOptions): Simulation {
  const {mesh, schedule, stagesPerRank, costs, shownRanks} = readSimulation(options);
  const stageOf = ({localStage}: {localStage: number}, pipelineRank: number) =>
    localStage * mesh.pipeline + pipelineRank;
  const costOf: CostOf = (action, pipelineRank) =>
    costs.compute[action.do][stageOf(action, pipelineRank)];
  const timeline = simulateSchedule(
    schedule,
    costOf,
    Infinity,
    (message, pipelineRank) => costs.send[stageOf(message, pipelineRank)],
  );
  const stepEnd = stepEndOf(timeline, costs, mesh.pipeline);
  const longestUpdate = costs.update.reduce((most, seconds) => Math.max(most, seconds), 0);
  const seconds = stepEnd.updateStart + longestUpdate;
  const ranks = rankTimes(mesh, timeline, costs, seconds);
  return {
    mesh,
    schedule,
    costOf,
    seconds,
    ranks,
    bubble: bubbleOf({
      step: 0,
      seconds: timeline.total,
      busy: ranks.map(({compute, tensor}) => compute + tensor),
      send: ranks.map(({send}) => send),
      wait: [],
    }),
    spans: spansOf(mesh, schedule, stagesPerRank, timeline, costs, stepEnd, shownRanks),
  };
}

/** Where the time of each rank of the first pipeline goes. */
function rankTimes(
  mesh: Mesh,
  {played, messages, live}: ScheduleTimeline,
  costs: CheckedCosts,
  seconds: number,
): SimulatedRank[] {
  const ranks = mesh.groupOf('pipeline', 0).map(
    (rank, pipelineRank): SimulatedRank => ({
      rank,
      compute: 0,
      tensor: 0,
      send: 0,
      data: mesh.data > 1 ? costs.data[pipelineRank] : 0,
      update: costs.update[pipelineRank],
      wait: 0,
      live: live[pipelineRank],
    }),
  );
  for (const {rank: pipelineRank, action, start, end} of played) {
    const tensor = costs.tensor[action.do][action.localStage * mesh.pipeline + pipelineRank];
    ranks[pipelineRank].tensor += tensor;
    ranks[pipelineRank].compute += end - start - tensor;
  }
  for (const {rank: pipelineRank, action, start, end} of messages)
    if (action.do === 'send') ranks[pipelineRank].send += end - start;
  for (const rank of ranks) {
    const busy = sum([rank.compute, rank.tensor, rank.send, rank.data, rank.update]);
    rank.wait = Math.max(0, seconds - busy);
  }
  return ranks;
}
