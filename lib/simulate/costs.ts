/**
 * What a simulated step is made of, in seconds; and these costs checked, stage by
 * stage.
 */
import {ManyHandsError, oneOf, shown} from '../base/errors';
import type {Compute, Schedule} from '../pipelineParallel/schedule';

/** Seconds, the same on every stage or by the stage's number, from 0. */
export type StageCost = number | ((stage: number) => number);

/**
 * A step's costs; each is of one micro-batch where nothing else is said. Stages count as the
 * pipeline runs through them: stage s is on its rank s mod p.
 */
export interface SimulationCosts {
  /** A stage's forward, with what the tensor axis says in it. */
  forward: StageCost;
  /** A whole backward, likewise: of every schedule but those in two parts. */
  backward?: StageCost;
  /** The part of a backward for the stage's input, likewise: 'zero-bubble' has it, and the next. */
  backwardInput?: StageCost;
  /** The part for its weights. */
  backwardWeights?: StageCost;
  /**
   * What of these the tensor axis takes, which is drawn in their middle as one all-reduce. @default
   * 0
   */
  tensor?: Partial<Record<Compute['do'], StageCost>>;
  /**
   * Handing over what the stage made, activations or gradients, to the stage beside it; the sender
   * does nothing else meanwhile. @default 0
   */
  send?: StageCost;
  /**
   * The data axis's reduction, once a step, after a rank's last micro-batch; by the rank's place in
   * its pipeline. @default 0
   */
  data?: StageCost;
  /** The optimizer's update, once a step; by the rank's place in its pipeline. @default 0 */
  update?: StageCost;
}

/** Costs by stage, each a number of seconds. */
export interface CheckedCosts {
  compute: Record<Compute['do'], number[]>;
  tensor: Record<Compute['do'], number[]>;
  send: number[];
  /** By the rank's place in its pipeline. */
  data: number[];
  /** By the rank's place in its pipeline. */
  update: number[];
}

const KINDS: readonly Compute['do'][] = ['forward', 'backward', 'backwardInput', 'backwardWeights'];
const NAMES = [...KINDS, 'tensor', 'send', 'data', 'update'];

function refuse(message: string): never {
  throw new ManyHandsError('BAD_OPTION', `simulate: ${message}`);
}

function checkNames(where: string, value: unknown, known: readonly string[]): void {
  if (value === null || typeof value !== 'object')
    refuse(
      `${where} must be an object of seconds, such as {forward: 1e-3, backward: 2e-3}; it is ${shown(value)}.`,
    );
  const unknown = Object.keys(value).find((name) => !known.includes(name));
  if (unknown !== undefined) refuse(`${where} has no '${unknown}'; it knows ${oneOf(known)}.`);
}

/** One cost on each of `count` stages. */
function secondsOf(name: string, cost: StageCost, count: number): number[] {
  return Array.from({length: count}, (_, stage) => {
    const seconds: unknown = typeof cost === 'function' ? cost(stage) : cost;
    if (typeof seconds !== 'number' || !Number.isFinite(seconds) || seconds < 0) {
      refuse(
        `costs.${name}${typeof cost === 'function' ? ` of stage ${stage}` : ''} must be a number of seconds from 0${typeof cost === 'function' ? '' : ', or a function of the stage that gives one'}; it is ${shown(seconds)}.`,
      );
    }
    return seconds;
  });
}

/**
 * The costs of a schedule on a mesh with so many ranks along `data` and `tensor`. Throws BAD_OPTION
 * for what is missing, negative, or of an axis that the mesh has not.
 */
export function readCosts(
  costs: SimulationCosts,
  {actions}: Schedule,
  stagesPerRank: number,
  {data, tensor}: {data: number; tensor: number},
): CheckedCosts {
  checkNames('costs', costs, NAMES);
  if (costs.tensor !== undefined) checkNames('costs.tensor', costs.tensor, KINDS);
  const ranks = actions.length;
  const stages = ranks * stagesPerRank;
  const used = new Set(actions.flatMap((list) => list.map(({do: kind}) => kind)));
  const compute = {} as CheckedCosts['compute'];
  const ofTensor = {} as CheckedCosts['tensor'];
  for (const kind of KINDS) {
    const own = costs[kind];
    if (own === undefined && used.has(kind)) {
      const halves =
        kind === 'backwardInput' || kind === 'backwardWeights'
          ? '; where you know no better, half of a whole backward'
          : '';
      refuse(
        `costs.${kind} is missing, and the schedule has such actions: give it in seconds${halves}.`,
      );
    }
    compute[kind] = secondsOf(kind, own ?? 0, stages);
    ofTensor[kind] = secondsOf(`tensor.${kind}`, costs.tensor?.[kind] ?? 0, stages);
    ofTensor[kind].forEach((seconds, stage) => {
      if (seconds > 0 && tensor === 1)
        refuse(
          `costs.tensor.${kind} is ${seconds}, and the mesh has no tensor axis: leave costs.tensor out.`,
        );
      if (used.has(kind) && seconds > compute[kind][stage])
        refuse(
          `costs.tensor.${kind} is ${seconds} on stage ${stage}, more than all of costs.${kind}, ${compute[kind][stage]}, of which it is a part.`,
        );
    });
  }
  const reduction = secondsOf('data', costs.data ?? 0, ranks);
  if (data === 1 && reduction.some((seconds) => seconds > 0))
    refuse('costs.data is above 0, and the mesh has no data axis: leave it out.');
  return {
    compute,
    tensor: ofTensor,
    send: secondsOf('send', costs.send ?? 0, stages),
    data: reduction,
    update: secondsOf('update', costs.update ?? 0, ranks),
  };
}
