/**
 * A pipeline schedule played on a virtual clock: a row a rank, a box for each piece of
 * work with the number of its micro-batch. It can play itself: boxes appear as their time comes.
 */
import {ManyHandsError} from '../../base/errors';
import {aFunction, aString, readOptions, trueOrFalse, type OptionTable} from '../../base/options';
import {
  simulateSchedule,
  UNIT_COST,
  type CostOf,
  type ScheduleTimeline,
} from '../../pipelineParallel/simulateSchedule';
import {LETTER, type Compute, type Schedule} from '../../pipelineParallel/schedule';
import {Drawn} from '../drawn';
import {kindStyle, paper} from '../palette';
import {card, element, line, text} from '../svg';
import type {View} from '../view';

const LEFT = 76;
const ROW = 40;
const MOST_WIDTH = 820;
const UNIT = 26;
const SECONDS = 5;

/** How a schedule is drawn. */
export interface ScheduleDrawingOptions {
  title?: string;
  /** What each piece of work takes; without it a forward 1, a backward 2, its two parts 1 each. */
  costOf?: CostOf;
  /** Whether the boxes appear one after another when the drawing is first seen. @default true */
  animated?: boolean;
}

const OPTIONS: OptionTable<ScheduleDrawingOptions> = {
  'title?': aString,
  'costOf?': aFunction,
  'animated?': trueOrFalse,
};

const LOOKS: Record<Compute['do'], {fill: string; edge: string; words: string}> = {
  forward: {...kindStyle('forward'), words: 'forward'},
  backward: {...kindStyle('backward'), words: 'backward'},
  backwardInput: {...kindStyle('backward'), words: "backward, for the stage's input"},
  backwardWeights: {...kindStyle('update'), words: 'backward, for its weights'},
};

/** A box appears when its time comes; who wants no motion sees all of them at once. */
const STYLE = (animated: boolean) =>
  animated
    ? `<style>.b{opacity:0;animation:b .15s linear forwards}@keyframes b{to{opacity:1}}@media (prefers-reduced-motion:reduce){.b{opacity:1;animation:none}}</style>`
    : '';

function draw(
  playing: ScheduleTimeline,
  ranks: number,
  title: string,
  alt: string,
  animated: boolean,
): {svg: string; width: number; height: number} {
  const {played, total} = playing;
  // Costs may be in seconds: the shortest piece of work is the unit.
  const unit = played.reduce(
    (least, {start, end}) => (end > start ? Math.min(least, end - start) : least),
    Infinity,
  );
  const scale = Math.min(UNIT / unit, (MOST_WIDTH - LEFT) / total);
  const width = Math.max(460, Math.ceil(LEFT + total * scale + 20));
  const height = 78 + ranks * ROW + 34;
  const zero = played.reduce((first, {start}) => Math.min(first, start), Infinity);
  const parts: string[] = [
    STYLE(animated),
    text(16, 28, title, {'font-size': 16, 'font-weight': 'bold', fill: paper.ink}),
  ];
  for (let rank = 0; rank < ranks; rank++) {
    const y = 48 + rank * ROW;
    parts.push(
      text(LEFT - 10, y + 22, `rank ${rank}`, {
        'text-anchor': 'end',
        'font-size': 13,
        fill: paper.ink,
      }),
    );
    parts.push(
      element('rect', {
        x: LEFT,
        y: y + 2,
        width: total * scale,
        height: ROW - 6,
        fill: 'none',
        stroke: paper.edge,
        'stroke-dasharray': '3 3',
      }),
    );
  }
  for (const {rank, action, start, end} of played) {
    const {fill, edge} = LOOKS[action.do];
    const x = LEFT + (start - zero) * scale;
    const y = 48 + rank * ROW;
    const size = (end - start) * scale;
    const label = `${LETTER[action.do]}${action.microBatch + 1}`;
    // A local stage above the first has a bar along its top, one for each.
    const bars = Array.from({length: action.localStage}, (_, i) =>
      line(x + 2, y + 5 + 3 * i, x + size - 2, y + 5 + 3 * i, {stroke: edge, 'stroke-width': 1.5}),
    );
    const box =
      element('rect', {
        x,
        y: y + 2,
        width: size,
        height: ROW - 6,
        fill,
        stroke: edge,
        'stroke-width': 1,
      }) +
      bars.join('') +
      (size > 12
        ? text(x + size / 2, y + 25, label, {
            'text-anchor': 'middle',
            'font-size': size > 24 ? 13 : size > 16 ? 10 : 8.5,
            fill: paper.ink,
          })
        : '');
    parts.push(
      element(
        'g',
        {
          class: animated ? 'b' : undefined,
          style: animated
            ? `animation-delay:${((SECONDS * (start - zero)) / total).toFixed(2)}s`
            : undefined,
        },
        box,
      ),
    );
  }
  const kinds = [...new Set(played.map(({action}) => action.do))];
  let x = LEFT;
  const below = 48 + ranks * ROW + 26;
  for (const kind of kinds) {
    const words = `${LETTER[kind]} ${LOOKS[kind].words}`;
    parts.push(
      element('rect', {
        x,
        y: below - 12,
        width: 14,
        height: 14,
        fill: LOOKS[kind].fill,
        stroke: LOOKS[kind].edge,
      }),
      text(x + 20, below, words, {'font-size': 13, fill: paper.ink}),
    );
    x += 36 + words.length * 7.2;
  }
  return {
    svg: card(Math.max(width, x), height, alt, parts.join('')),
    width: Math.max(width, x),
    height,
  };
}

/**
 * The schedule as a view that plays itself; its caption says the bubble and the most micro-batches
 * alive on each rank. Throws BAD_SCHEDULE where it comes to a deadlock.
 */
export function scheduleDrawing(schedule: Schedule, options: ScheduleDrawingOptions = {}): View {
  const {
    title = schedule.name,
    costOf = UNIT_COST,
    animated = true,
  } = readOptions('scheduleDrawing', options, OPTIONS);
  const playing = simulateSchedule(schedule, costOf);
  if (playing.stuck.some((place) => place !== null))
    throw new ManyHandsError(
      'BAD_SCHEDULE',
      `scheduleDrawing: '${schedule.name}' comes to a deadlock: checkSchedule says where.`,
    );
  const ranks = schedule.actions.length;
  const caption = `${title}: the ranks stand idle ${(100 * playing.bubble).toFixed(1)} % of their time; alive at once are at most ${playing.live.join(', ')} micro-batches on ranks 0 to ${ranks - 1}.`;
  const {svg, width, height} = draw(playing, ranks, title, caption, animated);
  return new Drawn(svg, {alt: caption, width, height, caption});
}
