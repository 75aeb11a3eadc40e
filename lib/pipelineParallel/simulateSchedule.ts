/**
 * A schedule played on a virtual clock: each action starts when its rank and what it
 * needs are there. Whether it can run, how long it takes, and what is alive meanwhile.
 */
import type {Action, Compute, StageMessage, Schedule} from './schedule';

/** What an action takes, in whatever unit of time. */
export type CostOf = (action: Compute, rank: number) => number;

/**
 * What a message takes its sender, which does nothing else meanwhile; it is there when that is
 * over.
 */
export type SendCostOf = (message: StageMessage, rank: number) => number;

/** When an action of compute ran, on the virtual clock. */
export interface TimedAction {
  rank: number;
  action: Compute;
  /** In the unit of the costs. */
  start: number;
  /** In the unit of the costs. */
  end: number;
}

/** When a rank sent a message, or stood waiting for one, on the virtual clock. */
export interface TimedMessage extends Omit<TimedAction, 'action'> {
  action: StageMessage;
}

/** What a schedule came to on the virtual clock. */
export interface ScheduleTimeline {
  /** Every compute, in each rank's order. */
  played: TimedAction[];
  /** Every message at both its ends, in each rank's order. */
  messages: TimedMessage[];
  /** From the first start of a compute to the last end. */
  total: number;
  /** Of the ranks' time together, the share in which they did not compute. */
  bubble: number;
  /** By rank, the most micro-batches (of a localStage each) whose activations were alive at once. */
  live: number[];
  /** Messages that were sent and not taken, between two ranks one way, at most. */
  underWay: number;
  /** By rank, the place of the action at which it stands for ever; null where the schedule ends. */
  stuck: Array<number | null>;
}

/** Forward and whole backward as 1 and 2; a backward in two parts as 1 and 1. */
export const UNIT_COST: CostOf = ({do: kind}) => (kind === 'backward' ? 2 : 1);

/** The message as both its ends know it. */
const nameOf = (
  {what, microBatch, localStage}: Pick<StageMessage, 'what' | 'microBatch' | 'localStage'>,
  rank: number,
  ranks: number,
) => `${what} ${microBatch} ${localStage * ranks + rank}`;

/** The name under which `message`, of `rank`, stands at its receiver. */
export function messageName(message: StageMessage, rank: number, ranks: number): string {
  if (message.do === 'recv') return nameOf(message, rank, ranks);
  const stage = message.localStage * ranks + rank + (message.what === 'activations' ? 1 : -1);
  return `${message.what} ${message.microBatch} ${stage}`;
}

interface Sent {
  name: string;
  at: number;
}

/**
 * Plays to the end, or until no rank can go on. `room`: messages that may be under way between two
 * ranks one way; `sendOf`: what they take, without it nothing.
 */
export function simulateSchedule(
  {actions}: Schedule,
  costOf: CostOf = UNIT_COST,
  room = Infinity,
  sendOf: SendCostOf = () => 0,
): ScheduleTimeline {
  const ranks = actions.length;
  const next = actions.map(() => 0);
  const clock = actions.map(() => 0);
  const live = actions.map(() => 0);
  const most = actions.map(() => 0);
  /** Ranks for which something changed since they stood: a message came, or there is room again. */
  const woken = actions.map(() => true);
  const played: TimedAction[] = [];
  const messages: TimedMessage[] = [];
  const lines = new Map<string, Sent[]>();
  /** Messages that a rank took from a line while it looked for another. */
  const taken = actions.map(() => new Map<string, number>());
  let underWay = 0;
  const line = (from: number, to: number) => {
    const name = `${from} ${to}`;
    if (!lines.has(name)) lines.set(name, []);
    return lines.get(name)!;
  };
  const receive = (message: StageMessage, rank: number): boolean => {
    const name = messageName(message, rank, ranks);
    const from = line(message.peer, rank);
    while (!taken[rank].has(name)) {
      const first = from.shift();
      if (!first) return false;
      woken[message.peer] = true;
      taken[rank].set(first.name, first.at);
    }
    const start = clock[rank];
    clock[rank] = Math.max(start, taken[rank].get(name)!);
    messages.push({rank, action: message, start, end: clock[rank]});
    taken[rank].delete(name);
    return true;
  };
  const send = (message: StageMessage, rank: number): boolean => {
    const to = line(rank, message.peer);
    if (to.length >= room) return false;
    const start = clock[rank];
    clock[rank] += sendOf(message, rank);
    messages.push({rank, action: message, start, end: clock[rank]});
    to.push({name: messageName(message, rank, ranks), at: clock[rank]});
    underWay = Math.max(underWay, to.length);
    woken[message.peer] = true;
    return true;
  };
  const compute = (action: Compute, rank: number): void => {
    const start = clock[rank];
    clock[rank] += costOf(action, rank);
    played.push({rank, action, start, end: clock[rank]});
    if (action.do === 'forward') live[rank] += 1;
    most[rank] = Math.max(most[rank], live[rank]);
    if (action.do === 'backward' || action.do === 'backwardWeights') live[rank] -= 1;
  };
  const take = (action: Action, rank: number): boolean => {
    if ('peer' in action) return action.do === 'recv' ? receive(action, rank) : send(action, rank);
    if (action.do !== 'update') compute(action, rank);
    return true;
  };
  for (let moved = true; moved; ) {
    moved = false;
    for (let rank = 0; rank < ranks; rank++) {
      if (!woken[rank]) continue;
      woken[rank] = false;
      while (next[rank] < actions[rank].length && take(actions[rank][next[rank]], rank)) {
        next[rank] += 1;
        moved = true;
      }
    }
  }
  // There may be more than a call takes arguments.
  const first = played.reduce((least, {start}) => Math.min(least, start), Infinity);
  const total = played.reduce((latest, {end}) => Math.max(latest, end), 0) - first;
  const busy = played.reduce((sum, {start, end}) => sum + end - start, 0);
  return {
    played,
    messages,
    total,
    live: most,
    underWay,
    bubble: total > 0 ? 1 - busy / (ranks * total) : 0,
    stuck: next.map((place, rank) => (place < actions[rank].length ? place : null)),
  };
}
