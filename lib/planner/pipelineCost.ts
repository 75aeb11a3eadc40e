/**
 * The cost of a pipeline's step: its schedule on a virtual clock, with the measured seconds of
 * every stage.
 */
import {sum} from '../base/statistics';
import type {LayerCall} from '../model/graph';
import {simulateSchedule} from '../pipelineParallel/simulateSchedule';
import type {DataAxisCost} from './dataAxisCost';
import type {LayerCosts} from './layerCosts';
import type {LinkTimes} from './linkTimes';
import type {ModelChoice, PipelineChoice} from './modelChoice';
import type {StepCost, StepParts} from './stepCost';

const FLOAT_BYTES = 4;

/** How ranks slow each other down. */
export interface Contention {
  /** How many ranks share a core, at least 1. */
  ranksPerCore: number;
  /** By what share the slowest rank's step is longer than the mean. */
  lateness: number;
}

/** The numbers that a pipeline's cost is computed from. */
export interface PipelineInput {
  choice: ModelChoice & {pipeline: PipelineChoice};
  /** The layer calls of each stage. */
  stages: readonly (readonly LayerCall[])[];
  /** The costs of one micro-batch on each stage. */
  costs: readonly LayerCosts[];
  /** Samples of a micro-batch. */
  samples: number;
  /** Seconds of the loss of one micro-batch. */
  loss: number;
  /** The cost of the data axis for the layer calls of a rank. */
  dataAxis: (calls: readonly LayerCall[]) => DataAxisCost;
  links: LinkTimes;
  /** The machine's cores; 0 for a GPU. */
  cores: number;
  contention: Contention;
}

/** The cost of a pipeline's step, without `rest`, which does not depend on the pipeline. */
export function pipelineCost({
  choice,
  stages,
  costs,
  samples,
  loss,
  dataAxis,
  links,
  cores,
  contention: {ranksPerCore, lateness},
}: PipelineInput): Omit<StepCost, 'seconds' | 'parts'> & {parts: Omit<StepParts, 'rest'>} {
  const {
    mesh,
    microBatches,
    pipeline: {schedule, splitPoints},
  } = choice;
  const pipelineRanks = Array.from({length: mesh.pipeline}, (_, rank) => rank);
  const stagesOf = (rank: number) =>
    stages.flatMap((_, stage) => (stage % mesh.pipeline === rank ? [stage] : []));
  const slowdown = ranksPerCore * (1 + lateness);

  const sentBytes = splitPoints.map(
    ({shape}) => FLOAT_BYTES * samples * shape.reduce((product, length) => product * length, 1),
  );
  // The sender reads the tensor and the receiver makes one: each has half of the message's time.
  const halfMessage = (cut: number) =>
    cut < 0 || cut >= sentBytes.length ? 0 : links.seconds('send', 2, sentBytes[cut]) / 2;
  const messages = stages.map((_, stage) => halfMessage(stage - 1) + halfMessage(stage));
  const lastStage = stages.length - 1;
  const stageSeconds = costs.map((cost, stage) => ({
    forward: cost.forward + cost.forwardComm + messages[stage] + (stage === lastStage ? loss : 0),
    backward: cost.backward + cost.backwardComm + messages[stage],
  }));
  const {total, bubble, played} = simulateSchedule(schedule, ({do: kind, localStage}, rank) => {
    const {forward, backward} = stageSeconds[localStage * mesh.pipeline + rank];
    if (kind === 'forward') return forward;
    return kind === 'backward' ? backward : backward / 2;
  });
  const busy = pipelineRanks.map((rank) =>
    sum(played.filter((action) => action.rank === rank).map(({start, end}) => end - start)),
  );
  // With more ranks than cores, the work of all ranks together bounds the step.
  const workBound =
    cores > 0 && mesh.size > cores ? (sum(busy) * mesh.size) / mesh.pipeline / cores : 0;
  const seconds = Math.max(total, workBound) * (1 + lateness);

  const comm =
    microBatches * Math.max(...costs.map((cost) => cost.forwardComm + cost.backwardComm));
  const sends = microBatches * Math.max(...messages.map((message) => 2 * message));
  const compute = Math.max(...busy) - comm - sends;
  const tensor = comm * slowdown;
  const dataCosts = pipelineRanks.map((rank) =>
    dataAxis(stagesOf(rank).flatMap((stage) => stages[stage])),
  );
  const slowest = dataCosts.reduce((most, cost) =>
    cost.seconds + cost.update > most.seconds + most.update ? cost : most,
  );
  const tensorBytes = pipelineRanks.map(
    (rank) => microBatches * sum(stagesOf(rank).map((stage) => costs[stage].bytes)),
  );
  const stageBytes = (stage: number) =>
    (sentBytes[stage] ?? 0) + (stage > 0 ? sentBytes[stage - 1] : 0);
  const pipelineBytes = pipelineRanks.map((rank) => sum(stagesOf(rank).map(stageBytes)));
  return {
    parts: {
      compute,
      bubble: Math.max(0, seconds - compute - sends - tensor),
      tensor,
      pipeline: sends,
      data: slowest.seconds * slowdown,
      update: slowest.update * slowdown,
    },
    bubble,
    traffic: {
      tensor: (Math.max(...tensorBytes) * 2 * (mesh.tensor - 1)) / mesh.tensor,
      pipeline: microBatches * Math.max(...pipelineBytes),
      data: Math.max(...dataCosts.map(({bytes}) => bytes)),
    },
  };
}
