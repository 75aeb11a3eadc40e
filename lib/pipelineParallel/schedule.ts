/**
 * A pipeline schedule as data: the list of actions of each rank.
 */
import {ManyHandsError, shown} from '../base/errors';
import type {Span} from '../trace/spans';

/**
 * The forward or backward pass of one micro-batch through one of the rank's stages. A backward is
 * either whole, or split into one for the stage's input and a later one for its weights.
 */
export interface Compute {
  do: 'forward' | 'backward' | 'backwardInput' | 'backwardWeights';
  /** Counts from 0. */
  microBatch: number;
  /** Which of the rank's stages, from 0. A rank has several only if stages are interleaved. */
  localStage: number;
}

/**
 * One end of a message between two ranks: activations to the next stage, or their gradients to the
 * previous one.
 */
export interface StageMessage {
  do: 'send' | 'recv';
  what: 'activations' | 'gradients';
  /** Counts from 0. */
  microBatch: number;
  /** The rank's local stage whose output or input it is. */
  localStage: number;
  /** The other rank. */
  peer: number;
}

/** The optimizer's update, the last action of every rank. */
export interface Update {
  do: 'update';
}

/** One action of a rank. */
export type Action = Compute | StageMessage | Update;

/** The actions of every rank in one step: `actions[r]` is the list of rank r. */
export interface Schedule {
  name: string;
  actions: Action[][];
}

/** The highest local stage or micro-batch of all actions, which are too many for Math.max(...). */
function highest(
  actions: readonly (readonly Action[])[],
  field: 'localStage' | 'microBatch',
): number {
  return actions.reduce(
    (most, list) =>
      list.reduce(
        (highestOfList, action) =>
          action.do === 'update' ? highestOfList : Math.max(highestOfList, action[field]),
        most,
      ),
    0,
  );
}

/** The number of stages of each rank. Stage s = local stage × ranks + rank. */
export const stagesPerRankOf = ({actions}: Pick<Schedule, 'actions'>): number =>
  1 + highest(actions, 'localStage');

/** The number of micro-batches of a schedule. */
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
 * An action as text: 'F1' for the first micro-batch, 'F1.2' on the rank's second stage, 'send F1',
 * 'recv B1', 'U' for the update. In texts, as in figures, both numbers count from 1.
 */
export function actionText(action: Action): string {
  if (action.do === 'update') return 'U';
  const name = `${action.microBatch + 1}${action.localStage > 0 ? `.${action.localStage + 1}` : ''}`;
  if (action.do === 'send' || action.do === 'recv')
    return `${action.do} ${action.what === 'activations' ? 'F' : 'B'}${name}`;
  return `${LETTER[action.do]}${name}`;
}

/** The compute actions of each rank as text, one line a rank, without messages and updates. */
export function scheduleText({actions}: Schedule): string[] {
  return actions.map((list) =>
    list
      .filter((action) => action.do in LETTER)
      .map(actionText)
      .join(' '),
  );
}

function readAction(text: string, rank: number): Compute {
  const match = /^([FBIW])([1-9]\d*)(?:\.([1-9]\d*))?$/.exec(text);
  if (!match)
    throw new ManyHandsError(
      'BAD_OPTION',
      `schedule: rank ${rank} has ${shown(text)}; write F1 for the forward of the first micro-batch, B1 for its backward (or I1 for its input's gradient and W1 for its weights'), F1.2 on the rank's second stage.`,
    );
  return {
    do: LETTERS[match[1]],
    microBatch: Number(match[2]) - 1,
    localStage: Number(match[3] ?? 1) - 1,
  };
}

/**
 * Adds messages and the final update to each rank's compute actions. A forward first receives its
 * activations and then sends its output; a backward does the same with gradients.
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
      // Two stages of the same rank need no message.
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
 * Makes a schedule from its compute actions as text, one line a rank:
 * `schedule('mine', ['F1 F2 B1 B2', 'F1 B1 F2 B2'])`. Returns it with messages and updates added;
 * `checkSchedule` says whether it can run. Throws BAD_OPTION for a text that is not an action.
 */
export function schedule(name: string, lines: string[]): Schedule {
  if (typeof name !== 'string' || name === '')
    throw new ManyHandsError(
      'BAD_OPTION',
      `schedule: its name must be a string; it is ${shown(name)}.`,
    );
  if (!Array.isArray(lines) || lines.length === 0)
    throw new ManyHandsError(
      'BAD_OPTION',
      `schedule: give one line for each rank, such as ['F1 F2 B1 B2', 'F1 B1 F2 B2']; it is ${shown(lines)}.`,
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

const BACKWARD_PARTS = {
  forward: '',
  backward: '',
  backwardInput: ', input',
  backwardWeights: ', weights',
};

/**
 * Kind and name of an action's span in a trace, the same in a run and in a simulation. In the name,
 * micro-batches and local stages count from 1.
 */
export function actionSpan(action: Action, stagesPerRank: number): Pick<Span, 'kind' | 'name'> {
  if (action.do === 'update') return {kind: 'update', name: 'update'};
  const batch = `micro-batch ${action.microBatch + 1}`;
  if (action.do === 'send') return {kind: 'communication', name: `send ${batch}'s ${action.what}`};
  if (action.do === 'recv') return {kind: 'wait', name: `${batch}'s ${action.what}`};
  const where = stagesPerRank > 1 ? `, local stage ${action.localStage + 1}` : '';
  return {
    kind: action.do === 'forward' ? 'forward' : 'backward',
    name: `${batch}${where}${BACKWARD_PARTS[action.do]}`,
  };
}
