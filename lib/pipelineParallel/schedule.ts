/**
 * A pipeline schedule as data: what each rank does, one action after another.
 */
import {ManyHandsError, shown} from '../base/errors';
import type {Span} from '../trace/spans';

/**
 * Work of one micro-batch on one of the rank's stages. A backward is whole, or in two: for the
 * stage's input, and later for its weights.
 */
export interface Compute {
  do: 'forward' | 'backward' | 'backwardInput' | 'backwardWeights';
  /** Counts from 0. */
  microBatch: number;
  /** Which of the rank's stages, from 0; a rank has one but where stages are interleaved. */
  localStage: number;
}

/**
 * One message between two ranks: activations to the next stage, their gradients to the one before.
 */
export interface StageMessage {
  do: 'send' | 'recv';
  what: 'activations' | 'gradients';
  /** Counts from 0. */
  microBatch: number;
  /** The rank's own stage whose output or input it is. */
  localStage: number;
  /** The other rank. */
  peer: number;
}

/** The optimizer's step, which ends every rank's list. */
export interface Update {
  do: 'update';
}

/** One thing that a rank does. */
export type Action = Compute | StageMessage | Update;

/** What every rank does in a step: `actions[r]` is rank r's list. */
export interface Schedule {
  name: string;
  actions: Action[][];
}

/**
 * The highest number of an action's localStage or micro-batch; of a large schedule there are more
 * actions than a call takes arguments.
 */
function highest(
  actions: readonly (readonly Action[])[],
  field: 'localStage' | 'microBatch',
): number {
  return actions.reduce(
    (most, list) =>
      list.reduce(
        (own, action) => (action.do === 'update' ? own : Math.max(own, action[field])),
        most,
      ),
    0,
  );
}

/** Stages that each rank has: stage s = localStage × ranks + rank. */
export const stagesPerRankOf = ({actions}: Pick<Schedule, 'actions'>): number =>
  1 + highest(actions, 'localStage');

/** How many micro-batches a schedule is for. */
export const microBatchesOf = ({actions}: Schedule): number => 1 + highest(actions, 'microBatch');

const LETTERS: Record<string, Compute['do']> = {
  F: 'forward',
  B: 'backward',
  I: 'backwardInput',
  W: 'backwardWeights',
};
export const LETTER: Record<Compute['do'], string> = {
  forward: 'F',
  backward: 'B',
  backwardInput: 'I',
  backwardWeights: 'W',
};

/**
 * 'F1' of the first micro-batch, 'F1.2' on the rank's second stage; 'send F1', 'recv B1'; 'U'. In
 * words, as in figures, both count from 1.
 */
export function actionText(action: Action): string {
  if (action.do === 'update') return 'U';
  const name = `${action.microBatch + 1}${action.localStage > 0 ? `.${action.localStage + 1}` : ''}`;
  if (action.do === 'send' || action.do === 'recv')
    return `${action.do} ${action.what === 'activations' ? 'F' : 'B'}${name}`;
  return `${LETTER[action.do]}${name}`;
}

/** The compute of each rank in letters, a line a rank; messages and update are left out. */
export function scheduleText({actions}: Schedule): string[] {
  return actions.map((list) =>
    list
      .filter((action) => action.do in LETTER)
      .map(actionText)
      .join(' '),
  );
}

function readAction(text: string, rank: number): Compute {
  const found = /^([FBIW])([1-9]\d*)(?:\.([1-9]\d*))?$/.exec(text);
  if (!found)
    throw new ManyHandsError(
      'BAD_OPTION',
      `schedule: rank ${rank} has ${shown(text)}; write F1 for the forward of the first micro-batch, B1 for its backward (or I1 for its input's gradient and W1 for its weights'), F1.2 on the rank's second stage.`,
    );
  return {
    do: LETTERS[found[1]],
    microBatch: Number(found[2]) - 1,
    localStage: Number(found[3] ?? 1) - 1,
  };
}

/**
 * Puts the messages that `compute` needs around it, and the update at its end: a forward first
 * receives its activations and then sends its own on, a backward the gradients likewise.
 */
export function withMessages(compute: Compute[][]): Action[][] {
  const ranks = compute.length;
  const last = ranks * stagesPerRankOf({actions: compute}) - 1;
  return compute.map((list, rank) => {
    const actions: Action[] = [];
    const message = (
      kind: StageMessage['do'],
      what: StageMessage['what'],
      {microBatch, localStage}: Compute,
      stage: number,
    ) => {
      const peer = stage % ranks;
      // Two stages of one rank hand over without a message.
      if (peer !== rank) actions.push({do: kind, what, microBatch, localStage, peer});
    };
    for (const action of list) {
      const stage = action.localStage * ranks + rank;
      const backward = action.do === 'backward' || action.do === 'backwardInput';
      if (action.do === 'forward' && stage > 0) message('recv', 'activations', action, stage - 1);
      if (backward && stage < last) message('recv', 'gradients', action, stage + 1);
      actions.push(action);
      if (action.do === 'forward' && stage < last)
        message('send', 'activations', action, stage + 1);
      if (backward && stage > 0) message('send', 'gradients', action, stage - 1);
    }
    return [...actions, {do: 'update'}];
  });
}

/**
 * A schedule out of its compute, a line a rank: `schedule('mine', ['F1 F2 B1 B2', 'F1 B1 F2 B2'])`.
 * Messages and update are put in. Throws BAD_OPTION; whether it can run, `checkSchedule` says.
 */
export function schedule(name: string, lines: string[]): Schedule {
  if (typeof name !== 'string' || name === '')
    throw new ManyHandsError(
      'BAD_OPTION',
      `schedule: its name must be a text; it is ${shown(name)}.`,
    );
  if (!Array.isArray(lines) || lines.length === 0)
    throw new ManyHandsError(
      'BAD_OPTION',
      `schedule: give a line a rank, such as ['F1 F2 B1 B2', 'F1 B1 F2 B2']; it is ${shown(lines)}.`,
    );
  return {
    name,
    actions: withMessages(
      lines.map((line, rank) =>
        line
          .trim()
          .split(/\s+/)
          .filter((text) => text !== '')
          .map((text) => readAction(text, rank)),
      ),
    ),
  };
}

const PARTS = {forward: '', backward: '', backwardInput: ', input', backwardWeights: ', weights'};

/**
 * Kind and name of the span of an action, of a rank that has so many stages; micro-batches and
 * stagesPerRank count from 1.
 */
export function actionSpan(action: Action, stagesPerRank: number): Pick<Span, 'kind' | 'name'> {
  if (action.do === 'update') return {kind: 'update', name: 'update'};
  const batch = `micro-batch ${action.microBatch + 1}`;
  if (action.do === 'send') return {kind: 'communication', name: `send ${batch}'s ${action.what}`};
  if (action.do === 'recv') return {kind: 'wait', name: `${batch}'s ${action.what}`};
  const where = stagesPerRank > 1 ? `, local stage ${action.localStage + 1}` : '';
  return {
    kind: action.do === 'forward' ? 'forward' : 'backward',
    name: `${batch}${where}${PARTS[action.do]}`,
  };
}
