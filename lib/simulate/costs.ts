/**
 * The costs that a simulated step is made of, in seconds, and how they are checked stage by stage.
 */
import {
  anObject,
  checkValue,
  numberFrom,
  readOptions,
  refuseOption,
  type Check,
  type OptionTable,
} from '../base/options';
import type {Compute, Schedule} from '../pipelineParallel/schedule';

/** Seconds: one number for every stage, or a function of the stage's number, which counts from 0. */
export type StageCost = number | ((stage: number) => number);

/**
 * The costs of a step, in seconds of one micro-batch unless stated otherwise. Stages are numbered in
 * the order in which the pipeline runs through them: stage s is on pipeline rank s mod p.
 */
export interface SimulationCosts {
  /** A stage's forward pass, including the tensor axis's collectives in it. */
  forward: StageCost;
  /**
   * A stage's whole backward pass, likewise. Every schedule needs it except those that split the
   * backward.
   */
  backward?: StageCost;
  /**
   * The part of a backward for the stage's input, likewise. 'zero-bubble' needs this cost and the
   * next.
   */
  backwardInput?: StageCost;
  /** The part of a backward for the stage's weights. */
  backwardWeights?: StageCost;
  /**
   * How much of these costs the tensor axis takes. Each is drawn as one all-reduce in the middle of
   * its action. @default 0
   */
  tensor?: Partial<Record<Compute['do'], StageCost>>;
  /**
   * Sending a stage's activations or gradients to the neighbouring stage; the sender does nothing
   * else meanwhile. @default 0
   */
  send?: StageCost;
  /**
   * The reduction along the data axis, once a step, after a rank's last micro-batch; by pipeline
   * rank. @default 0
   */
  data?: StageCost;
  /** The optimizer's update, once a step; by pipeline rank. @default 0 */
  update?: StageCost;
}

/** The costs of every stage, in seconds. */
export interface CheckedCosts {
  compute: Record<Compute['do'], number[]>;
  tensor: Record<Compute['do'], number[]>;
  send: number[];
  /** By pipeline rank. */
  data: number[];
  /** By pipeline rank. */
  update: number[];
}

const KINDS: readonly Compute['do'][] = ['forward', 'backward', 'backwardInput', 'backwardWeights'];
const seconds = numberFrom(0, 'seconds');
const cost: Check = {
  expected: `${seconds.expected}, or a function of the stage that gives one`,
  accepts: (value) => typeof value === 'function' || seconds.accepts(value),
};
const COSTS: OptionTable<SimulationCosts> = {
  forward: cost,
  'backward?': cost,
  'backwardInput?': cost,
  'backwardWeights?': cost,
  'tensor?': anObject,
  'send?': cost,
  'data?': cost,
  'update?': cost,
};
const TENSOR_COSTS: OptionTable<NonNullable<SimulationCosts['tensor']>> = {
  'forward?': cost,
  'backward?': cost,
  'backwardInput?': cost,
  'backwardWeights?': cost,
};

function refuse(message: string): never {
  refuseOption(`simulate: ${message}`);
}

/** The cost of each of `count` stages, in seconds. */
function costByStage(name: string, value: StageCost, count: number): number[] {
  if (typeof value === 'number') return new Array<number>(count).fill(value);
  return Array.from({length: count}, (_, stage) =>
    checkValue('simulate', `costs.${name} of stage ${stage}`, value(stage), seconds),
  );
}

/**
 * Returns the costs of a schedule by stage, for a mesh with `data` and `tensor` ranks along those
 * axes. Throws BAD_OPTION for a cost that is missing, negative, or for an axis that the mesh does
 * not have.
 */
export function readCosts(
  costs: SimulationCosts,
  {actions}: Schedule,
  stagesPerRank: number,
  {data, tensor}: {data: number; tensor: number},
): CheckedCosts {
  readOptions('simulate', costs, COSTS, {path: 'costs', noun: 'cost'});
  if (costs.tensor !== undefined)
    readOptions('simulate', costs.tensor, TENSOR_COSTS, {path: 'costs.tensor', noun: 'cost'});
  const ranks = actions.length;
  const stages = ranks * stagesPerRank;
  const used = new Set(actions.flatMap((list) => list.map(({do: kind}) => kind)));
  const compute = {} as CheckedCosts['compute'];
  const tensorCosts = {} as CheckedCosts['tensor'];
  for (const kind of KINDS) {
    if (costs[kind] === undefined && used.has(kind)) {
      const advice =
        kind === 'backwardInput' || kind === 'backwardWeights'
          ? '; where you know no better, half of a whole backward'
          : '';
      refuse(
        `costs.${kind} is missing, and the schedule has such actions: give it in seconds${advice}.`,
      );
    }
    compute[kind] = costByStage(kind, costs[kind] ?? 0, stages);
    tensorCosts[kind] = costByStage(`tensor.${kind}`, costs.tensor?.[kind] ?? 0, stages);
    tensorCosts[kind].forEach((seconds, stage) => {
      if (seconds > 0 && tensor === 1)
        refuse(
          `costs.tensor.${kind} is ${seconds}, and the mesh has no tensor axis: leave costs.tensor out.`,
        );
      if (used.has(kind) && seconds > compute[kind][stage])
        refuse(
          `costs.tensor.${kind} is ${seconds} on stage ${stage}, more than all of costs.${kind}, ${compute[kind][stage]}, which includes it.`,
        );
    });
  }
  const reduction = costByStage('data', costs.data ?? 0, ranks);
  if (data === 1 && reduction.some((seconds) => seconds > 0))
    refuse('costs.data is above 0, and the mesh has no data axis: leave it out.');
  return {
    compute,
    tensor: tensorCosts,
    send: costByStage('send', costs.send ?? 0, stages),
    data: reduction,
    update: costByStage('update', costs.update ?? 0, ranks),
  };
}
