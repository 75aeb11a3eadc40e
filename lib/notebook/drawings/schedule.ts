/**
 * Draws a pipeline schedule on a virtual clock: a row for each rank, and a box for each action with
 * the number of its micro-batch. An animated drawing shows the boxes one after another.
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
import {Drawn, type View} from '../view';
import {kindStyle, paper} from '../palette';
import {card, element, line, text} from '../markup';

const LEFT = 76;
const ROW = 40;
const MOST_WIDTH = 820;
const UNIT = 26;
const SECONDS = 5;

/** Options of a schedule drawing. */
export interface ScheduleDrawingOptions {
  title?: string;
  /** The duration of each action. Default: forward 1, backward 2, each part of a split backward 1. */
  costOf?: CostOf;
  /** Whether the boxes appear one after another when the drawing is shown. @default true */
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

/** Each box appears at its time; readers who prefer reduced motion see all boxes at once. */
const STYLE = (animated: boolean) =>
  animated
    ? `<style>.b{opacity:0;animation:b .15s linear forwards}@keyframes b{to{opacity:1}}@media (prefers-reduced-motion:reduce){.b{opacity:1;animation:none}}</style>`
    : '';

/** The font size of a label in a box of `width` pixels. */
function labelSize(width: number): number {
  if (width > 24) return 13;
  return width > 16 ? 10 : 8.5;
}

function draw(
  timeline: ScheduleTimeline,
  ranks: number,
  title: string,
  alt: string,
  animated: boolean,
): {svg: string; width: number; height: number} {
  const {played, total} = timeline;
  // Costs may be in seconds: the shortest action is the unit of the drawing.
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
    // Bars along the top of a box count the local stages before its own.
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
            'font-size': labelSize(size),
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
 * Draws a schedule; the caption states its bubble and the largest number of live micro-batches on
 * each rank. Throws BAD_SCHEDULE for a schedule with a deadlock.
 */
export function scheduleDrawing(schedule: Schedule, options: ScheduleDrawingOptions = {}): View {
  const {
    title = schedule.name,
    costOf = UNIT_COST,
    animated = true,
  } = readOptions('scheduleDrawing', options, OPTIONS);
  const timeline = simulateSchedule(schedule, costOf);
  if (timeline.stuck.some((blocked) => blocked !== null))
    throw new ManyHandsError(
      'BAD_SCHEDULE',
      `scheduleDrawing: '${schedule.name}' has a deadlock: checkSchedule says where.`,
    );
  const ranks = schedule.actions.length;
  const caption = `${title}: the ranks are idle ${(100 * timeline.bubble).toFixed(1)} % of the time; ranks 0 to ${ranks - 1} hold at most ${timeline.live.join(', ')} micro-batches at once.`;
  const {svg, width, height} = draw(timeline, ranks, title, caption, animated);
  return new Drawn(svg, {alt: caption, width, height, caption});
}
