/**
 * Simulates a schedule on a virtual clock: whether it can run, how long it takes, and
 * how many activations are alive. An action starts when its rank is free and its input is there.
 */
import {checkValue, type Check} from '../base/options';
import type {Action, Compute, StageMessage, Schedule} from './schedule';

/** The duration of a compute action, in any unit of time. */
export type CostOf = (action: Compute, rank: number) => number;

/**
 * The time that sending a message takes, in the unit of the costs. The sender does nothing else
 * meanwhile, and the message arrives at the end of it.
 */
export type SendCostOf = (message: StageMessage, rank: number) => number;

/** A compute action with its start and end on the virtual clock. */
export interface TimedAction {
  rank: number;
  action: Compute;
  /** In the unit of the costs. */
  start: number;
  /** In the unit of the costs. */
  end: number;
}

/** A message at one of its ends: when the rank sent it, or waited for it, on the virtual clock. */
export interface TimedMessage extends Omit<TimedAction, 'action'> {
  action: StageMessage;
}

/** The result of a simulated schedule. */
export interface ScheduleTimeline {
  /** Every compute action, in each rank's order. */
  played: TimedAction[];
  /** Every message, once for its sender and once for its receiver, in each rank's order. */
  messages: TimedMessage[];
  /**
   * From the start of the first compute action to the end of the last, in the unit of the costs.
   */
  total: number;
  /** The share of all ranks' time in which they did not compute, from 0 to 1. */
  bubble: number;
  /**
   * By rank, the most micro-batches, counted for each local stage, with live activations at once.
   */
  live: number[];
  /**
   * The most messages that were sent and not yet received at once, between two ranks in one
   * direction.
   */
  underWay: number;
  /** By rank, the index of the action that can never run; null if the rank finishes its list. */
  stuck: Array<number | null>;
}

/** Unit costs: a forward takes 1, a whole backward 2, each part of a split backward 1. */
export const UNIT_COST: CostOf = ({do: kind}) => (kind === 'backward' ? 2 : 1);

/** The name of a message, the same at both ends: what it carries, micro-batch, receiving stage. */
const nameOf = (
  {what, microBatch, localStage}: Pick<StageMessage, 'what' | 'microBatch' | 'localStage'>,
  rank: number,
  ranks: number,
) => `${what} ${microBatch} ${localStage * ranks + rank}`;

/** The name of a message in the list of `rank`, the same for its sender and its receiver. */
export function messageName(message: StageMessage, rank: number, ranks: number): string {
  if (message.do === 'recv') return nameOf(message, rank, ranks);
  const stage = message.localStage * ranks + rank + (message.what === 'activations' ? 1 : -1);
  return `${message.what} ${message.microBatch} ${stage}`;
}

const aSchedule: Check = {
  expected: 'a schedule, {name, actions}',
  accepts: (value) => Array.isArray((value as Partial<Schedule> | null)?.actions),
};

interface Sent {
  name: string;
  arrival: number;
}

/**
 * Simulates one step of a schedule until it ends, or until no rank can continue. `costOf`: the
 * duration of each compute action; `room`: how many messages may be under way between two ranks in
 * one direction before a sender waits; `sendOf`: the duration of sending a message. Returns start
 * and end of every action, the total time, the bubble, the live activations and, after a deadlock,
 * where each rank is stuck. All times are in the unit of `costOf`. Checks
 * nothing but the schedule's form. Throws BAD_OPTION.
 */
export function simulateSchedule(
  schedule: Schedule,
  costOf: CostOf = UNIT_COST,
  room = Infinity,
  sendOf: SendCostOf = () => 0,
): ScheduleTimeline {
  checkValue('simulateSchedule', 'its argument', schedule, aSchedule);
  const {actions} = schedule;
  const ranks = actions.length;
  const next = actions.map(() => 0);
  const clock = actions.map(() => 0);
  const live = actions.map(() => 0);
  const mostLive = actions.map(() => 0);
  /** Ranks that may be able to continue: a message has arrived, or there is room again. */
  const mayProceed = actions.map(() => true);
  const played: TimedAction[] = [];
  const messages: TimedMessage[] = [];
  const links = new Map<string, Sent[]>();
  /** Messages that a rank received while it waited for another one, with their arrival times. */
  const received = actions.map(() => new Map<string, number>());
  let underWay = 0;
  const linkOf = (from: number, to: number) => {
    const name = `${from} ${to}`;
    if (!links.has(name)) links.set(name, []);
    return links.get(name)!;
  };
  const receive = (message: StageMessage, rank: number): boolean => {
    const name = messageName(message, rank, ranks);
    const from = linkOf(message.peer, rank);
    while (!received[rank].has(name)) {
      const first = from.shift();
      if (!first) return false;
      mayProceed[message.peer] = true;
      received[rank].set(first.name, first.arrival);
    }
    const start = clock[rank];
    clock[rank] = Math.max(start, received[rank].get(name)!);
    messages.push({rank, action: message, start, end: clock[rank]});
    received[rank].delete(name);
    return true;
  };
  const send = (message: StageMessage, rank: number): boolean => {
    const to = linkOf(rank, message.peer);
    if (to.length >= room) return false;
    const start = clock[rank];
    clock[rank] += sendOf(message, rank);
    messages.push({rank, action: message, start, end: clock[rank]});
    to.push({name: messageName(message, rank, ranks), arrival: clock[rank]});
    underWay = Math.max(underWay, to.length);
    mayProceed[message.peer] = true;
    return true;
  };
  const compute = (action: Compute, rank: number): void => {
    const start = clock[rank];
    clock[rank] += costOf(action, rank);
    played.push({rank, action, start, end: clock[rank]});
    if (action.do === 'forward') live[rank] += 1;
    mostLive[rank] = Math.max(mostLive[rank], live[rank]);
    if (action.do === 'backward' || action.do === 'backwardWeights') live[rank] -= 1;
  };
  const tryAction = (action: Action, rank: number): boolean => {
    if ('peer' in action) return action.do === 'recv' ? receive(action, rank) : send(action, rank);
    if (action.do !== 'update') compute(action, rank);
    return true;
  };
  for (let moved = true; moved; ) {
    moved = false;
    for (let rank = 0; rank < ranks; rank++) {
      if (!mayProceed[rank]) continue;
      mayProceed[rank] = false;
      while (next[rank] < actions[rank].length && tryAction(actions[rank][next[rank]], rank)) {
        next[rank] += 1;
        moved = true;
      }
    }
  }
  // Math.min(...) would fail: a call cannot take that many arguments.
  const first = played.reduce((least, {start}) => Math.min(least, start), Infinity);
  const total = played.reduce((latest, {end}) => Math.max(latest, end), 0) - first;
  const busy = played.reduce((sum, {start, end}) => sum + end - start, 0);
  return {
    played,
    messages,
    total,
    live: mostLive,
    underWay,
    bubble: total > 0 ? 1 - busy / (ranks * total) : 0,
    stuck: next.map((place, rank) => (place < actions[rank].length ? place : null)),
  };
}
