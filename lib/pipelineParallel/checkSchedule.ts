/**
 * A schedule is checked before it runs: nothing is missing or done twice, every
 * message has both its ends, and no rank waits for ever.
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
      `a schedule is {name, actions}, actions a list for each rank; it is ${shown(schedule)}. schedule('mine', ['F1 B1', 'F1 B1']) writes one.`,
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

/** One rank's own order: forward before backward, every part once, the update at the end. */
function checkRank(
  schedule: Schedule,
  rank: number,
  microBatches: number,
  stagesPerRank: number,
): void {
  const list = schedule.actions[rank];
  const done = new Map<string, number>();
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
    if (done.has(name)) refuse(schedule, `rank ${rank} does ${actionText(action)} twice.`);
    done.set(name, i);
    const before = kind === 'backwardWeights' ? 'backwardInput' : 'forward';
    if (kind !== 'forward' && !done.has(key(before, microBatch, localStage)))
      refuse(
        schedule,
        `rank ${rank} does ${actionText(action)} before ${actionText({...action, do: before})}.`,
      );
    const other =
      kind === 'backward' ? 'backwardInput' : kind === 'backwardInput' ? 'backward' : null;
    if (other && done.has(key(other, microBatch, localStage)))
      refuse(
        schedule,
        `rank ${rank} does both ${actionText(action)} and ${actionText({...action, do: other})}: a backward is whole, or in two parts, I and W.`,
      );
  });
  for (let localStage = 0; localStage < stagesPerRank; localStage++) {
    for (let microBatch = 0; microBatch < microBatches; microBatch++) {
      const has = (kind: Compute['do']) => done.has(key(kind, microBatch, localStage));
      const missing: Compute['do'] | null = !has('forward')
        ? 'forward'
        : !has('backward') && !has('backwardInput')
          ? 'backward'
          : !has('backward') && !has('backwardWeights')
            ? 'backwardWeights'
            : null;
      if (missing)
        refuse(
          schedule,
          `rank ${rank} never does ${actionText({do: missing, microBatch, localStage})}; every rank takes each of the ${microBatches} micro-batches through each of its stages, forward and backward.`,
        );
    }
  }
  if (list[list.length - 1]?.do !== 'update')
    refuse(schedule, `rank ${rank} has no update at its end.`);
}

/** Each message once, after what makes it and before what needs it, with both its ends. */
function checkMessages(schedule: Schedule, stagesPerRank: number): void {
  const {actions} = schedule;
  const ranks = actions.length;
  const ends = {send: new Map<string, string>(), recv: new Map<string, string>()};
  actions.forEach((list, rank) => {
    const before = new Set<string>();
    for (const action of list) {
      const text = actionText(action);
      if ('peer' in action) {
        const name = `${messageName(action, rank, ranks)} ${action.do === 'send' ? `${rank}>${action.peer}` : `${action.peer}>${rank}`}`;
        if (ends[action.do].has(name)) refuse(schedule, `rank ${rank} does ${text} twice.`);
        ends[action.do].set(name, `rank ${rank}'s ${text}`);
        const {microBatch, localStage} = action;
        const made = (
          action.what === 'activations'
            ? (['forward'] as const)
            : (['backward', 'backwardInput'] as const)
        ).map((kind) => actionText({do: kind, microBatch, localStage}));
        if (action.do === 'send' && !made.some((one) => before.has(one)))
          refuse(schedule, `rank ${rank} does ${text} before ${made[0]}, which makes it.`);
      } else if (action.do !== 'update')
        checkNeeds(schedule, rank, ranks, ranks * stagesPerRank - 1, action, before);
      before.add(text);
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

/** What an action needs from another stage stands before it. */
function checkNeeds(
  schedule: Schedule,
  rank: number,
  ranks: number,
  last: number,
  action: Compute,
  before: Set<string>,
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
  if (!needs.some((one) => before.has(one)))
    refuse(
      schedule,
      `rank ${rank} does ${actionText(action)} before ${needs[0]}, from which it gets what it works on.`,
    );
}

function checkEnd(schedule: Schedule, {stuck}: ScheduleTimeline): void {
  if (stuck.every((place) => place === null)) return;
  const words = stuck.flatMap((place, rank) =>
    place === null ? [] : [`rank ${rank} at ${actionText(schedule.actions[rank][place])}`],
  );
  refuse(
    schedule,
    `it comes to a deadlock: ${words.join(', ')} wait${words.length === 1 ? 's' : ''} for a message that is sent only later.`,
  );
}

/** What a check finds out. */
export interface ScheduleCheck {
  /** Stages a rank. */
  stagesPerRank: number;
  /** Micro-batches of a step. */
  microBatches: number;
  /** By rank, the most micro-batches (of a localStage each) whose activations are alive at once. */
  live: number[];
  /** Messages that need room between two ranks, one way. */
  room: number;
}

/** Room for one that is written while another is read. */
const LEAST_ROOM = 2;

/**
 * Whether the schedule is complete and free of deadlock; `promised`: by rank, the most
 * micro-batches that may be alive at once. Throws BAD_OPTION where it is no schedule, and
 * BAD_SCHEDULE with the rank and the action that is wrong.
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
        `rank ${rank} keeps the activations of ${live} micro-batches at once; ${promised[rank]} were promised.`,
      );
  });
  // The least room in which it ends too.
  let room = LEAST_ROOM;
  while (simulateSchedule(schedule, UNIT_COST, room).stuck.some((place) => place !== null))
    room += 1;
  return {stagesPerRank, microBatches, live: free.live, room};
}
