/**
 * The options of `simulate`, and how they are checked.
 */
import {shown} from '../base/errors';
import {
  anObject,
  anything,
  listOf,
  readOptions,
  refuseOption,
  wholeNumber,
  type OptionTable,
} from '../base/options';
import {Mesh, type MeshSizes} from '../mesh/mesh';
import {checkSchedule} from '../pipelineParallel/checkSchedule';
import {microBatchesOf, stagesPerRankOf, type Schedule} from '../pipelineParallel/schedule';
import {
  defaultStagesPerRank,
  pipelineSchedule,
  type ScheduleName,
} from '../pipelineParallel/namedSchedules';
import {readCosts, type CheckedCosts, type SimulationCosts} from './costs';

/** What is simulated. */
export interface SimulationOptions {
  /** The number of ranks on each axis; 1 on an axis that is not named. */
  mesh: Partial<MeshSizes>;
  /** A schedule's name, or a schedule of your own for `mesh.pipeline` ranks. @default '1f1b' */
  schedule?: ScheduleName | Schedule;
  /**
   * Micro-batches of a step on each replica, m. Required with a schedule's name; a schedule of your
   * own has its number of micro-batches already.
   */
  microBatches?: number;
  /** Stages of each rank, v, for 'interleaved-1f1b'. @default 2 there, else 1 */
  stagesPerRank?: number;
  costs: SimulationCosts;
  /**
   * The ranks whose spans are returned. @default the first pipeline (data rank 0, tensor rank 0);
   * where it has more than 8 ranks, its first four and last four
   */
  ranks?: readonly number[];
}

/** The options of `simulate`, checked, with their defaults. */
export interface CheckedSimulation {
  mesh: Mesh;
  schedule: Schedule;
  stagesPerRank: number;
  costs: CheckedCosts;
  /** The ranks whose spans are returned. */
  shownRanks: number[];
}

/** With more actions, the bookkeeping of messages would take gigabytes. */
const MOST_ACTIONS = 1e6;
const MOST_SHOWN = 8;

const OPTIONS: OptionTable<SimulationOptions> = {
  mesh: anObject,
  'schedule?': anything,
  'microBatches?': wholeNumber(1),
  'stagesPerRank?': wholeNumber(1),
  costs: anything,
  'ranks?': listOf('ranks, such as [0, 1]'),
};
const MESH: OptionTable<Partial<MeshSizes>> = {
  'data?': wholeNumber(1),
  'tensor?': wholeNumber(1),
  'pipeline?': wholeNumber(1),
};

function refuse(message: string): never {
  refuseOption(`simulate: ${message}`);
}

function readMesh(sizes: Partial<MeshSizes>): Mesh {
  const {
    data = 1,
    tensor = 1,
    pipeline = 1,
  } = readOptions('simulate', sizes, MESH, {path: 'mesh', noun: 'axis'});
  return new Mesh({data, tensor, pipeline});
}

function refuseMany(ranks: number, microBatches: number, stagesPerRank: number): void {
  const actions = 2 * ranks * microBatches * stagesPerRank;
  if (actions <= MOST_ACTIONS) return;
  const stages = stagesPerRank > 1 ? ` and ${stagesPerRank} stages per rank` : '';
  refuse(
    `${ranks} ranks with ${microBatches} micro-batches${stages} are ${actions} forwards and backwards, and the limit is ${MOST_ACTIONS}: take fewer micro-batches, or put devices on the data and tensor axes, which cost nothing to simulate.`,
  );
}

function namedSchedule(
  name: ScheduleName,
  {microBatches, stagesPerRank = defaultStagesPerRank(name)}: SimulationOptions,
  ranks: number,
): Pick<CheckedSimulation, 'schedule' | 'stagesPerRank'> {
  if (microBatches === undefined)
    refuse(`microBatches is missing; it must be ${wholeNumber(1).expected}.`);
  refuseMany(ranks, microBatches, stagesPerRank);
  return {schedule: pipelineSchedule(name, {ranks, microBatches, stagesPerRank}), stagesPerRank};
}

function customSchedule(
  schedule: Schedule,
  {microBatches, stagesPerRank}: SimulationOptions,
  ranks: number,
): Pick<CheckedSimulation, 'schedule' | 'stagesPerRank'> {
  const checked = checkSchedule(schedule);
  if (schedule.actions.length !== ranks)
    refuse(
      `the schedule '${schedule.name}' is for ${schedule.actions.length} ranks, and mesh.pipeline is ${ranks}.`,
    );
  for (const [name, option, fromSchedule] of [
    ['microBatches', microBatches, microBatchesOf(schedule)],
    ['stagesPerRank', stagesPerRank, stagesPerRankOf(schedule)],
  ] as const) {
    if (option !== undefined && option !== fromSchedule)
      refuse(
        `${name} is ${option}, and the schedule '${schedule.name}' has ${fromSchedule}: leave it out.`,
      );
  }
  refuseMany(ranks, checked.microBatches, checked.stagesPerRank);
  return {schedule, stagesPerRank: checked.stagesPerRank};
}

/** Up to eight ranks of the first pipeline: all of them, or the first and the last four. */
function defaultRanks(mesh: Mesh): number[] {
  const pipeline = mesh.groupOf('pipeline', 0);
  return pipeline.length <= MOST_SHOWN
    ? pipeline
    : [...pipeline.slice(0, MOST_SHOWN / 2), ...pipeline.slice(-MOST_SHOWN / 2)];
}

function readRanks(ranks: readonly number[], mesh: Mesh): number[] {
  const onMesh = wholeNumber(0, mesh.size - 1);
  const outside = ranks.find((rank) => !onMesh.accepts(rank));
  if (outside !== undefined)
    refuse(`ranks names ${shown(outside)}; the mesh has the ranks 0 to ${mesh.size - 1}.`);
  return [...new Set(ranks)];
}

/**
 * Returns the options of `simulate` with their defaults. Throws BAD_OPTION, and BAD_SCHEDULE for a
 * schedule of the caller's own that cannot run.
 */
export function readSimulation(options: SimulationOptions): CheckedSimulation {
  readOptions('simulate', options, OPTIONS);
  const mesh = readMesh(options.mesh);
  const {schedule: chosen = '1f1b', ranks} = options;
  const {schedule, stagesPerRank} =
    typeof chosen === 'string'
      ? namedSchedule(chosen, options, mesh.pipeline)
      : customSchedule(chosen, options, mesh.pipeline);
  return {
    mesh,
    schedule,
    stagesPerRank,
    costs: readCosts(options.costs, schedule, stagesPerRank, mesh),
    shownRanks: ranks === undefined ? defaultRanks(mesh) : readRanks(ranks, mesh),
  };
}
