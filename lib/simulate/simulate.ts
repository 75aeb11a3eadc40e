/**
 * A step on a mesh that need not be there, on a virtual clock: any schedule, as many
 * devices as you like.
 */
import {sum} from '../base/statistics';
import {ManyHandsError, shown} from '../base/errors';
import {Mesh, type MeshSizes} from '../mesh/mesh';
import {checkSchedule} from '../pipelineParallel/checkSchedule';
import {
  simulateSchedule,
  type CostOf,
  type ScheduleTimeline,
} from '../pipelineParallel/simulateSchedule';
import {bubbleOf} from '../pipelineParallel/recorded';
import {stagesPerRankOf, microBatchesOf, type Schedule} from '../pipelineParallel/schedule';
import {
  defaultStagesPerRank,
  pipelineSchedule,
  type ScheduleName,
} from '../pipelineParallel/namedSchedules';
import type {Span} from '../trace/spans';
import {readCosts, type CheckedCosts, type SimulationCosts} from './costs';
import {spansOf, type Ending} from './spans';

/** What is simulated. */
export interface SimulationOptions {
  /** How many ranks each axis has; 1 on an axis that is not named. */
  mesh: Partial<MeshSizes>;
  /** Its name, or a schedule of your own for `mesh.pipeline` ranks. @default '1f1b' */
  schedule?: ScheduleName | Schedule;
  /** Micro-batches of a step on each replica, m; a schedule of your own says it itself. */
  microBatches?: number;
  /** Stages a rank, v, of 'interleaved-1f1b'. @default 2 there, else 1 */
  stagesPerRank?: number;
  costs: SimulationCosts;
  /**
   * The ranks whose spans are made. @default the first pipeline (first replica, first tensor part);
   * of more than 8 ranks its first four and last four
   */
  ranks?: readonly number[];
}

/** One rank's step; but for `live`, seconds, which add up to the step's. */
export interface SimulatedRank {
  rank: number;
  /** Seconds of forward and backward, without what the tensor axis says in them. */
  compute: number;
  /** Seconds of the tensor axis. */
  tensor: number;
  /** Seconds of handing over to other stages. */
  send: number;
  /** Seconds of the data axis. */
  data: number;
  /** Seconds of the update. */
  update: number;
  /** Seconds in which it waited, for messages or for the others at the end. */
  wait: number;
  /** The most micro-batches (of a localStage each) whose activations it keeps at once. */
  live: number;
}

/** What a simulated step comes to. */
export interface Simulation {
  mesh: Mesh;
  schedule: Schedule;
  /** The costs as `scheduleDrawing` takes them: `scheduleDrawing(schedule, {costOf})`. */
  costOf: CostOf;
  /** From the first forward to the last update. */
  seconds: number;
  /**
   * The share of the ranks' time up to their last backward in which they neither worked nor sent,
   * sending taken away: as `bubble` measures it.
   */
  bubble: number;
  /**
   * The first pipeline's ranks, in its order; those beside them along the data and tensor axes do
   * the same at the same time.
   */
  ranks: SimulatedRank[];
  /** As a real run's trace has them, of step 0: `timelineFigure({spans})` draws them. */
  spans: Span[];
}

/**
 * Actions of compute that a simulation plays: beyond it, the messages' bookkeeping takes gigabytes.
 */
const MOST_ACTIONS = 1e6;
const MOST_DRAWN = 8;
const OPTIONS = ['mesh', 'schedule', 'microBatches', 'stagesPerRank', 'costs', 'ranks'];

function refuse(message: string): never {
  throw new ManyHandsError('BAD_OPTION', `simulate: ${message}`);
}

function whole(name: string, value: unknown): number {
  if (!Number.isInteger(value) || (value as number) < 1)
    refuse(`${name} must be a whole number from 1; it is ${shown(value)}.`);
  return value as number;
}

function readMesh(given: Partial<MeshSizes>): Mesh {
  if (given === null || typeof given !== 'object')
    refuse(
      `mesh must be an object such as {data: 2, tensor: 2, pipeline: 4}; it is ${shown(given)}.`,
    );
  const unknown = Object.keys(given).find((name) => !['data', 'tensor', 'pipeline'].includes(name));
  if (unknown !== undefined)
    refuse(`mesh has no axis '${unknown}'; it knows data, tensor, pipeline.`);
  const {data = 1, tensor = 1, pipeline = 1} = given;
  return new Mesh({
    data: whole('mesh.data', data),
    tensor: whole('mesh.tensor', tensor),
    pipeline: whole('mesh.pipeline', pipeline),
  });
}

/**
 * The schedule and its stagesPerRank, checked. Throws BAD_OPTION, of a schedule of one's own BAD_SCHEDULE
 * too.
 */
function readSchedule(
  {schedule = '1f1b', microBatches, stagesPerRank}: SimulationOptions,
  ranks: number,
): {schedule: Schedule; stagesPerRank: number} {
  const small = (m: number, v: number) => {
    if (2 * ranks * m * v > MOST_ACTIONS)
      refuse(
        `${ranks} ranks with ${m} micro-batches${v > 1 ? ` through ${v} stagesPerRank` : ''} are ${2 * ranks * m * v} forwards and backwards; it plays ${MOST_ACTIONS} at most: take fewer micro-batches, or put devices on the data and tensor axes, which cost nothing to simulate.`,
      );
  };
  if (typeof schedule === 'string') {
    const m = whole('microBatches', microBatches);
    const v = stagesPerRank ?? defaultStagesPerRank(schedule);
    if (Number.isInteger(v)) small(m, v);
    return {
      schedule: pipelineSchedule(schedule, {ranks, microBatches: m, stagesPerRank}),
      stagesPerRank: v,
    };
  }
  const checked = checkSchedule(schedule);
  if (schedule.actions.length !== ranks)
    refuse(
      `the schedule '${schedule.name}' is for ${schedule.actions.length} ranks, and mesh.pipeline is ${ranks}.`,
    );
  for (const [name, value, own] of [
    ['microBatches', microBatches, microBatchesOf(schedule)],
    ['stagesPerRank', stagesPerRank, stagesPerRankOf(schedule)],
  ] as const) {
    if (value !== undefined && value !== own)
      refuse(
        `${name} is ${shown(value)}, and the schedule '${schedule.name}' has ${own}: leave it out.`,
      );
  }
  small(checked.microBatches, checked.stagesPerRank);
  return {schedule, stagesPerRank: checked.stagesPerRank};
}

/** Up to eight ranks of the first pipeline: all, or its two ends. */
function someRanks(mesh: Mesh): number[] {
  const all = mesh.groupOf('pipeline', 0);
  return all.length <= MOST_DRAWN
    ? all
    : [...all.slice(0, MOST_DRAWN / 2), ...all.slice(-MOST_DRAWN / 2)];
}

function readRanks(ranks: unknown, mesh: Mesh): number[] {
  if (!Array.isArray(ranks))
    refuse(`ranks must be a list of ranks, such as [0, 1]; it is ${shown(ranks)}.`);
  const strange: unknown = ranks.find(
    (rank) => !Number.isInteger(rank) || rank < 0 || rank >= mesh.size,
  );
  if (strange !== undefined)
    refuse(`ranks names ${shown(strange)}; the mesh has the ranks 0 to ${mesh.size - 1}.`);
  return [...new Set(ranks as number[])];
}

/** What follows each rank's last action. */
function endingOf(playing: ScheduleTimeline, {data}: CheckedCosts, ranks: number): Ending {
  const worked = new Array<number>(ranks).fill(0);
  for (const {rank, end} of [...playing.played, ...playing.messages])
    worked[rank] = Math.max(worked[rank], end);
  const reduced = worked.map((end, place) => end + data[place]);
  return {worked, reduced, known: reduced.reduce((latest, end) => Math.max(latest, end), 0)};
}

/**
 * Plays a step of `schedule` on `mesh` with these costs, in seconds. Replicas and tensor parts do
 * the same at the same time, so one pipeline is played, however many there are beside it; spans are
 * made of a few ranks, or of those you name. Nothing overlaps: a rank that sends does not compute,
 * and the data axis talks when a rank's micro-batches are over. Throws BAD_OPTION for costs that
 * are missing, negative or of an axis that is not there, a schedule for other ranks, and ranks that
 * the mesh has not; BAD_SCHEDULE where a schedule of your own cannot run.
 */
export function simulate(options: SimulationOptions): Simulation {
  if (options === null || typeof options !== 'object')
    refuse(`its options are {mesh, schedule, microBatches, costs}; they are ${shown(options)}.`);
  const unknown = Object.keys(options).find((name) => !OPTIONS.includes(name));
  if (unknown !== undefined)
    refuse(`there is no option '${unknown}'. It knows: ${OPTIONS.join(', ')}.`);
  const mesh = readMesh(options.mesh);
  const {schedule, stagesPerRank} = readSchedule(options, mesh.pipeline);
  const costs = readCosts(options.costs, schedule, stagesPerRank, mesh);
  const drawn = options.ranks === undefined ? someRanks(mesh) : readRanks(options.ranks, mesh);
  const stageOf = ({localStage}: {localStage: number}, place: number) =>
    localStage * mesh.pipeline + place;
  const costOf: CostOf = (action, place) => costs.compute[action.do][stageOf(action, place)];
  const playing = simulateSchedule(
    schedule,
    costOf,
    Infinity,
    (message, place) => costs.send[stageOf(message, place)],
  );
  const ending = endingOf(playing, costs, mesh.pipeline);
  const seconds = ending.known + costs.update.reduce((most, one) => Math.max(most, one), 0);
  return {
    mesh,
    schedule,
    costOf,
    seconds,
    ...tallied(mesh, playing, costs, seconds),
    spans: spansOf(mesh, schedule, stagesPerRank, playing, costs, ending, drawn),
  };
}

/** Where each rank's time goes, and the bubble. */
function tallied(
  mesh: Mesh,
  {played, messages, total, live}: ScheduleTimeline,
  costs: CheckedCosts,
  seconds: number,
): Pick<Simulation, 'bubble' | 'ranks'> {
  const ranks = mesh.groupOf('pipeline', 0).map(
    (rank, place): SimulatedRank => ({
      rank,
      compute: 0,
      tensor: 0,
      send: 0,
      data: mesh.data > 1 ? costs.data[place] : 0,
      update: costs.update[place],
      wait: 0,
      live: live[place],
    }),
  );
  for (const {rank: place, action, start, end} of played) {
    const said = costs.tensor[action.do][action.localStage * mesh.pipeline + place];
    ranks[place].tensor += said;
    ranks[place].compute += end - start - said;
  }
  for (const {rank: place, action, start, end} of messages)
    if (action.do === 'send') ranks[place].send += end - start;
  for (const one of ranks)
    one.wait = Math.max(
      0,
      seconds - sum([one.compute, one.tensor, one.send, one.data, one.update]),
    );
  return {
    ranks,
    bubble: bubbleOf({
      step: 0,
      seconds: total,
      busy: ranks.map(({compute, tensor}) => compute + tensor),
      send: ranks.map(({send}) => send),
      wait: [],
    }),
  };
}
