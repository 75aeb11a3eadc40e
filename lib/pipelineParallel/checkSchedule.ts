/**
 * Checks a schedule before it runs: no action is missing or repeated, every message has a
 * sender and a receiver, and there is no deadlock.
 */
import {ManyHandsError, shown} from '../base/errors';
import {messageName, simulateSchedule, UNIT_COST, type ScheduleTimeline} from './simulateSchedule';
import {
  actionText,
  stagesPerRankOf,
  microBatchesOf,
  type Action,
  type Compute,
  type StageMessage,
  type Schedule,
} from './schedule';

const KINDS = ['forward', 'backward', 'backwardInput', 'backwardWeights', 'send', 'recv', 'update'];

function refuse(schedule: Schedule, message: string): never {
  throw new ManyHandsError(
    'BAD_SCHEDULE',
    `the schedule '${schedule.name}' cannot run: ${message}`,
  );
}

function checkShape(schedule: Schedule): void {
  const {name, actions} = schedule ?? {};
  if (
    typeof name !== 'string' ||
    !Array.isArray(actions) ||
    actions.length === 0 ||
    !actions.every(Array.isArray)
  ) {
    throw new ManyHandsError(
      'BAD_OPTION',
      `a schedule is {name, actions}, where actions has a list for each rank; it is ${shown(schedule)}. schedule('mine', ['F1 B1', 'F1 B1']) makes one.`,
    );
  }
  actions.forEach((list, rank) =>
    list.forEach((action, i) => {
      if (!KINDS.includes(action?.do))
        refuse(
          schedule,
          `action ${i} of rank ${rank} is ${shown(action)}; 'do' is one of ${KINDS.join(', ')}.`,
        );
      if (action.do === 'update') return;
      const numbers: Array<[string, number]> = [
        ['microBatch', action.microBatch],
        ['localStage', action.localStage],
        ...('peer' in action ? [['peer', action.peer] as [string, number]] : []),
      ];
      for (const [field, value] of numbers)
        if (!Number.isInteger(value) || value < 0)
          refuse(
            schedule,
            `action ${i} of rank ${rank} has ${field} ${shown(value)}; it must be a whole number from 0.`,
          );
      if ('peer' in action && (action.peer >= actions.length || action.peer === rank))
        refuse(
          schedule,
          `action ${i} of rank ${rank} names the peer ${action.peer}; it must be another of ranks 0 to ${actions.length - 1}.`,
        );
    }),
  );
}

/** A backward is whole or split: the kind that must not occur for the same micro-batch. */
const CONFLICTING: Partial<Record<Compute['do'], Compute['do']>> = {
  backward: 'backwardInput',
  backwardInput: 'backward',
};

/** The first kind of action that a micro-batch lacks on a stage; null if it has all. */
function missingKind(has: (kind: Compute['do']) => boolean): Compute['do'] | null {
  if (!has('forward')) return 'forward';
  if (has('backward')) return null;
  if (!has('backwardInput')) return 'backward';
  return has('backwardWeights') ? null : 'backwardWeights';
}

/** Checks one rank's list: forward before backward, every action once, the update at the end. */
function checkRank(
  schedule: Schedule,
  rank: number,
  microBatches: number,
  stagesPerRank: number,
): void {
  const list = schedule.actions[rank];
  const seen = new Set<string>();
  const key = (kind: Compute['do'], microBatch: number, localStage: number) =>
    `${kind} ${microBatch} ${localStage}`;
  list.forEach((action, i) => {
    if ('peer' in action) return;
    if (action.do === 'update') {
      if (i !== list.length - 1)
        refuse(
          schedule,
          `rank ${rank} updates its weights before ${actionText(list[i + 1])}; the update ends a rank's list.`,
        );
      return;
    }
    const {do: kind, microBatch, localStage} = action;
    const name = key(kind, microBatch, localStage);
    if (seen.has(name)) refuse(schedule, `rank ${rank} does ${actionText(action)} twice.`);
    seen.add(name);
    const required = kind === 'backwardWeights' ? 'backwardInput' : 'forward';
    if (kind !== 'forward' && !seen.has(key(required, microBatch, localStage)))
      refuse(
        schedule,
        `rank ${rank} does ${actionText(action)} before ${actionText({...action, do: required})}.`,
      );
    const conflicting = CONFLICTING[kind];
    if (conflicting && seen.has(key(conflicting, microBatch, localStage)))
      refuse(
        schedule,
        `rank ${rank} does both ${actionText(action)} and ${actionText({...action, do: conflicting})}: a backward is either whole (B) or split (I and W).`,
      );
  });
  for (let localStage = 0; localStage < stagesPerRank; localStage++) {
    for (let microBatch = 0; microBatch < microBatches; microBatch++) {
      const has = (kind: Compute['do']) => seen.has(key(kind, microBatch, localStage));
      const missing = missingKind(has);
      if (missing)
        refuse(
          schedule,
          `rank ${rank} never does ${actionText({do: missing, microBatch, localStage})}; every rank takes each of the ${microBatches} micro-batches through each of its stages, forward and backward.`,
        );
    }
  }
  if (list[list.length - 1]?.do !== 'update')
    refuse(schedule, `rank ${rank} has no update at the end of its list.`);
}

/**
 * Checks that each message occurs once, with both ends, after its producer and before its consumer.
 */
function checkMessages(schedule: Schedule, stagesPerRank: number): void {
  const {actions} = schedule;
  const ranks = actions.length;
  const ends = {send: new Map<string, string>(), recv: new Map<string, string>()};
  actions.forEach((list, rank) => {
    const earlier = new Set<string>();
    for (const action of list) {
      const text = actionText(action);
      if ('peer' in action) {
        const name = `${messageName(action, rank, ranks)} ${action.do === 'send' ? `${rank}>${action.peer}` : `${action.peer}>${rank}`}`;
        if (ends[action.do].has(name)) refuse(schedule, `rank ${rank} does ${text} twice.`);
        ends[action.do].set(name, `rank ${rank}'s ${text}`);
        const {microBatch, localStage} = action;
        const producers = (
          action.what === 'activations'
            ? (['forward'] as const)
            : (['backward', 'backwardInput'] as const)
        ).map((kind) => actionText({do: kind, microBatch, localStage}));
        if (action.do === 'send' && !producers.some((text) => earlier.has(text)))
          refuse(schedule, `rank ${rank} does ${text} before ${producers[0]}, which makes it.`);
      } else if (action.do !== 'update')
        checkNeeds(schedule, rank, ranks, ranks * stagesPerRank - 1, action, earlier);
      earlier.add(text);
    }
  });
  for (const [kind, other] of [
    ['send', 'recv'],
    ['recv', 'send'],
  ] as const) {
    for (const [name, words] of ends[kind])
      if (!ends[other].has(name)) refuse(schedule, `${words} has no ${other} on the other rank.`);
  }
}

/** Checks that an action comes after whatever brings its input. */
function checkNeeds(
  schedule: Schedule,
  rank: number,
  ranks: number,
  last: number,
  action: Compute,
  earlier: Set<string>,
): void {
  if (action.do === 'backwardWeights') return;
  const stage = action.localStage * ranks + rank;
  const forward = action.do === 'forward';
  const from = forward ? stage - 1 : stage + 1;
  if (from < 0 || from > last) return;
  const {microBatch} = action;
  const kinds = forward ? (['forward'] as const) : (['backward', 'backwardInput'] as const);
  const message: StageMessage = {
    do: 'recv',
    what: forward ? 'activations' : 'gradients',
    microBatch,
    localStage: action.localStage,
    peer: from % ranks,
  };
  const needs =
    from % ranks !== rank
      ? [actionText(message)]
      : kinds.map((kind) =>
          actionText({do: kind, microBatch, localStage: Math.floor(from / ranks)}),
        );
  if (!needs.some((text) => earlier.has(text)))
    refuse(
      schedule,
      `rank ${rank} does ${actionText(action)} before ${needs[0]}, which brings its input.`,
    );
}

function checkEnd(schedule: Schedule, {stuck}: ScheduleTimeline): void {
  if (stuck.every((place) => place === null)) return;
  const words = stuck.flatMap((place, rank) =>
    place === null ? [] : [`rank ${rank} at ${actionText(schedule.actions[rank][place])}`],
  );
  refuse(
    schedule,
    `it ends in a deadlock: ${words.join(', ')} wait${words.length === 1 ? 's' : ''} for a message that is sent only later.`,
  );
}

/** The sizes of a schedule that can run. */
export interface ScheduleCheck {
  /** The number of stages a rank. */
  stagesPerRank: number;
  /** The number of micro-batches of a step. */
  microBatches: number;
  /**
   * By rank, the most micro-batches, counted for each local stage, with live activations at once.
   */
  live: number[];
  /** How many messages a channel between two ranks, in one direction, must hold. */
  room: number;
}

/** Room for a message that is written while another is read. */
const LEAST_ROOM = 2;

/**
 * Checks that a schedule is complete and free of deadlock. `promised`: by rank, the most
 * micro-batches that may have live activations at once. Returns the schedule's sizes: stages a
 * rank, micro-batches, live micro-batches by rank, and the channel room in messages that it needs.
 * Throws BAD_OPTION if the argument is not a schedule, and BAD_SCHEDULE with the rank and the
 * action that are wrong.
 */
export function checkSchedule(schedule: Schedule, promised?: readonly number[]): ScheduleCheck {
  checkShape(schedule);
  const stagesPerRank = stagesPerRankOf(schedule);
  const microBatches = microBatchesOf(schedule);
  schedule.actions.forEach((_: Action[], rank: number) =>
    checkRank(schedule, rank, microBatches, stagesPerRank),
  );
  checkMessages(schedule, stagesPerRank);
  const free = simulateSchedule(schedule, UNIT_COST);
  checkEnd(schedule, free);
  free.live.forEach((live, rank) => {
    if (promised && live > promised[rank])
      refuse(
        schedule,
        `rank ${rank} keeps the activations of ${live} micro-batches at once; the schedule promises at most ${promised[rank]}.`,
      );
  });
  // The least room in which it also ends.
  let room = LEAST_ROOM;
  while (simulateSchedule(schedule, UNIT_COST, room).stuck.some((place) => place !== null))
    room += 1;
  return {stagesPerRank, microBatches, live: free.live, room};
}
