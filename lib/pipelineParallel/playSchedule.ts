/**
 * Either side. A schedule played on a virtual clock: each action starts when its rank and what it needs are there. Whether it can run, how long it takes,
 * and what is alive meanwhile.
 */
import type {Action, Compute, StageMessage, Schedule} from './schedule';

/** What an action takes, in whatever unit of time; messages take none. */
export type CostOf = (action: Compute, rank: number) => number;

/** When an action of compute ran, on the virtual clock. */
export interface Played {
  rank: number;
  action: Compute;
  /** In the unit of the costs. */
  start: number;
  /** In the unit of the costs. */
  end: number;
}

/** What a schedule came to on the virtual clock. */
export interface Playing {
  /** Every compute, in each rank's order. */
  played: Played[];
  /** From the first start to the last end. */
  total: number;
  /** Of the ranks' time together, the share in which they did not compute. */
  bubble: number;
  /** By rank, the most micro-batches (of a chunk each) whose activations were alive at once. */
  live: number[];
  /** Messages that were sent and not taken, between two ranks one way, at most. */
  underWay: number;
  /** By rank, the place of the action at which it stands for ever; null where the schedule ends. */
  stuck: Array<number | null>;
}

/** Forward and whole backward as 1 and 2; a backward in two parts as 1 and 1. */
export const UNIT_COST: CostOf = ({do: kind}) => (kind === 'backward' ? 2 : 1);

/** The message as both its ends know it. */
const nameOf = ({what, microBatch, chunk}: Pick<StageMessage, 'what' | 'microBatch' | 'chunk'>, rank: number, ranks: number) => `${what} ${microBatch} ${chunk * ranks + rank}`;

/** The name under which `message`, of `rank`, stands at its receiver. */
export function messageName(message: StageMessage, rank: number, ranks: number): string {
  if (message.do === 'recv') return nameOf(message, rank, ranks);
  const stage = message.chunk * ranks + rank + (message.what === 'activations' ? 1 : -1);
  return `${message.what} ${message.microBatch} ${stage}`;
}

interface Sent {
  name: string;
  at: number;
}

/** Plays to the end, or until no rank can go on. `room`: messages that may be under way between two ranks one way. */
export function playSchedule({actions}: Schedule, costOf: CostOf = UNIT_COST, room = Infinity): Playing {
  const ranks = actions.length;
  const next = actions.map(() => 0);
  const clock = actions.map(() => 0);
  const live = actions.map(() => 0);
  const most = actions.map(() => 0);
  const played: Played[] = [];
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
      taken[rank].set(first.name, first.at);
    }
    clock[rank] = Math.max(clock[rank], taken[rank].get(name)!);
    taken[rank].delete(name);
    return true;
  };
  const send = (message: StageMessage, rank: number): boolean => {
    const to = line(rank, message.peer);
    if (to.length >= room) return false;
    to.push({name: messageName(message, rank, ranks), at: clock[rank]});
    underWay = Math.max(underWay, to.length);
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
      while (next[rank] < actions[rank].length && take(actions[rank][next[rank]], rank)) {
        next[rank] += 1;
        moved = true;
      }
    }
  }
  const total = Math.max(0, ...played.map(({end}) => end)) - Math.min(...played.map(({start}) => start), Infinity);
  const busy = played.reduce((sum, {start, end}) => sum + end - start, 0);
  return {
    played, total, live: most, underWay,
    bubble: total > 0 ? 1 - busy / (ranks * total) : 0,
    stuck: next.map((place, rank) => (place < actions[rank].length ? place : null)),
  };
}
