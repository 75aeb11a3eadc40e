/**
 * Draws the decision card: the machine's numbers, the decision steps with the learner's numbers in
 * each inequality, and the planner's verdicts. Unknown fields stay blank.
 */
import {anObject, listOf, positiveNumber, readOptions, type OptionTable} from '../../base/options';
import {formatBytes} from '../../base/units';
import type {Machine} from '../../planner/machine';
import type {LinkOperation} from '../../planner/commBenchmark';
import {Drawing} from '../drawing';
import type {Drawn} from '../view';
import {DECISION_STEPS, type DecisionQuestion} from './decisionSteps';
import {count, formatNumber, formatSeconds} from '../../base/format';

/** The planner's verdict on a model. */
export interface DecisionVerdict {
  model: string;
  /** The name of the first row of the plan. */
  best: string;
  /** Predicted seconds per step. */
  predictedSeconds: number;
  /** Measured seconds per step; left out if the row was not run. */
  measuredSeconds?: number;
  reason: string;
}

/** The values on the card. */
export interface DecisionCardOptions {
  /** The result of `calibrate`. */
  machine?: Machine;
  /** Floating-point operations per second of one worker. */
  flopsPerSecond?: number;
  /** The memory limit of a device in bytes. */
  memoryBytes?: number;
  /** The inequalities with the learner's numbers, by question. */
  filled?: Partial<Record<DecisionQuestion, string>>;
  verdicts?: readonly DecisionVerdict[];
}

const OPTIONS: OptionTable<DecisionCardOptions> = {
  'machine?': anObject,
  'flopsPerSecond?': positiveNumber('operations a second'),
  'memoryBytes?': positiveNumber('bytes'),
  'filled?': anObject,
  'verdicts?': listOf('verdicts'),
};

const WIDTH = 840;
const LEFT = 24;
const SIZE = 13;
const LINE = 17;
/** The mean width of a letter in the widest font, as a share of the font size. */
const LETTER = 0.56;
const COLUMNS = {
  rule: {x: 36, width: 236},
  filled: {x: 292, width: 290},
  then: {x: 602, width: 206},
} as const;
const BLANK = '…';

/** Breaks words into lines of at most `width` pixels; shortens a word that is wider. */
export function wrapped(words: string, width: number, size: number = SIZE): string[] {
  const most = Math.floor(width / (LETTER * size));
  const lines: string[] = [];
  for (const fullWord of words.split(/\s+/)) {
    const word = fullWord.length > most ? `${fullWord.slice(0, most - 1)}…` : fullWord;
    const last = lines[lines.length - 1];
    if (last !== undefined && last.length + 1 + word.length <= most)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

/** Writes lines from `y` down; returns the y of the next line. */
function write(
  drawing: Drawing,
  x: number,
  y: number,
  lines: readonly string[],
  look: {bold?: boolean; faint?: boolean} = {},
): number {
  lines.forEach((line, i) =>
    drawing.words(x, y + (i + 0.5) * LINE, line, {anchor: 'start', size: SIZE, ...look}),
  );
  return y + lines.length * LINE;
}

function linkWords(machine: Machine | undefined, operation: LinkOperation): string {
  const link = machine?.links.find((candidate) => candidate.operation === operation);
  return link
    ? `${formatSeconds(link.alpha)} + ${formatNumber(1e9 * link.beta)} ns per byte`
    : BLANK;
}

function deviceWords({device, cores}: Machine): string {
  return cores > 0 ? `${device}, ${count(cores, 'core')}` : device;
}

/** The names and values of the machine's fields. */
function fieldsOf({machine, flopsPerSecond, memoryBytes}: DecisionCardOptions): [string, string][] {
  return [
    ['device', machine ? deviceWords(machine) : BLANK],
    [
      'one worker computes',
      flopsPerSecond === undefined ? BLANK : `${formatNumber(flopsPerSecond / 1e9)} GFLOP/s`,
    ],
    ['memory of a device', memoryBytes === undefined ? BLANK : formatBytes(memoryBytes)],
    ['all-reduce, α + bytes β', linkWords(machine, 'allReduce')],
    ['all-reduce in a layer', linkWords(machine, 'sumTensor')],
    ['message between stages', linkWords(machine, 'send')],
  ];
}

const FIELD = {width: 264, height: 56} as const;

/** A part of the card, drawn from `y` down. */
interface Part {
  height: number;
  draw(drawing: Drawing, y: number): void;
}

function machinePart(options: DecisionCardOptions): Part {
  return {
    height: 2 * FIELD.height + 10,
    draw: (drawing, y) =>
      fieldsOf(options).forEach(([name, value], i) => {
        const x = LEFT + (i % 3) * FIELD.width;
        const top = y + Math.floor(i / 3) * FIELD.height;
        drawing.box({x, y: top, width: FIELD.width - 8, height: FIELD.height - 8}, '', {
          dashed: value === BLANK,
        });
        drawing.words(x + 10, top + 14, name, {anchor: 'start', size: 12, faint: true});
        drawing.words(x + 10, top + 33, wrapped(value, FIELD.width - 28)[0], {
          anchor: 'start',
          size: SIZE,
          bold: true,
        });
      }),
  };
}

function stepParts({filled = {}}: DecisionCardOptions): Part[] {
  return DECISION_STEPS.map(({question, ask, rule, then}) => {
    const ruleLines = wrapped(rule, COLUMNS.rule.width);
    const filledLines = wrapped(filled[question] ?? BLANK, COLUMNS.filled.width);
    const thenLines = wrapped(then, COLUMNS.then.width);
    const height = Math.max(1 + ruleLines.length, filledLines.length, thenLines.length) * LINE + 18;
    return {
      height: height + 8,
      draw: (drawing, y) => {
        drawing.box({x: LEFT, y, width: WIDTH - 2 * LEFT, height}, '', {
          dashed: filled[question] === undefined,
        });
        write(
          drawing,
          COLUMNS.rule.x,
          write(drawing, COLUMNS.rule.x, y + 8, [ask], {bold: true}),
          ruleLines,
        );
        write(drawing, COLUMNS.filled.x, y + 8, filledLines);
        write(drawing, COLUMNS.then.x, y + 8, thenLines, {faint: true});
      },
    };
  });
}

function verdictParts({verdicts = []}: DecisionCardOptions): Part[] {
  if (verdicts.length === 0)
    return [
      {height: LINE + 8, draw: (drawing, y) => void write(drawing, COLUMNS.rule.x, y, [BLANK])},
    ];
  return verdicts.map(({model, best, predictedSeconds, measuredSeconds, reason}) => {
    const times = `predicted ${formatSeconds(predictedSeconds)}${measuredSeconds === undefined ? '' : `, measured ${formatSeconds(measuredSeconds)}`}`;
    const modelLines = wrapped(model, COLUMNS.rule.width);
    const bestLines = [
      ...wrapped(best, COLUMNS.filled.width),
      ...wrapped(times, COLUMNS.filled.width),
    ];
    const reasonLines = wrapped(reason, COLUMNS.then.width);
    const height = Math.max(modelLines.length, bestLines.length, reasonLines.length) * LINE + 10;
    return {
      height,
      draw: (drawing, y) => {
        write(drawing, COLUMNS.rule.x, y, modelLines, {bold: true});
        write(drawing, COLUMNS.filled.x, y, bestLines);
        write(drawing, COLUMNS.then.x, y, reasonLines, {faint: true});
      },
    };
  });
}

const headerPart = (words: readonly [string, string, string]): Part => ({
  height: LINE + 12,
  draw: (drawing, y) =>
    Object.values(COLUMNS).forEach(({x}, i) =>
      drawing.words(x, y + 14, words[i], {anchor: 'start', size: 12, faint: true}),
    ),
});

/** Describes the card to readers who cannot see it. */
function altText(options: DecisionCardOptions): string {
  const {filled = {}, verdicts = []} = options;
  const orBlank = (words: string) => (words === BLANK ? 'blank' : words);
  return [
    `Decision card. ${fieldsOf(options)
      .map(([name, value]) => `${name}: ${orBlank(value)}`)
      .join('; ')}.`,
    ...DECISION_STEPS.map(
      ({question, ask, rule, then}) =>
        `${ask} ${rule}; mine: ${filled[question] ?? 'blank'}. ${then}`,
    ),
    `The planner's verdicts: ${verdicts.map(({model, best, predictedSeconds, reason}) => `${model}: ${best}, predicted ${formatSeconds(predictedSeconds)}; ${reason}`).join(' ') || 'blank'}`,
  ].join(' ');
}

/**
 * Draws the decision card: blank without options, filled in with them. `saveDrawing` writes it to an
 * SVG file. Throws BAD_OPTION.
 */
export function decisionCard(options: DecisionCardOptions = {}): Drawn {
  readOptions('decisionCard', options, OPTIONS);
  const parts = [
    machinePart(options),
    headerPart(['the question, and its inequality', 'with my numbers', 'and then']),
    ...stepParts(options),
    headerPart(['the planner, by model', 'its first row', 'why']),
    ...verdictParts(options),
  ];
  const top = 56;
  const drawing = new Drawing(
    WIDTH,
    top + parts.reduce((sum, {height}) => sum + height, 0) + 12,
    altText(options),
  );
  drawing.words(LEFT, 30, 'When to use which', {anchor: 'start', bold: true, size: 20});
  let y = top;
  for (const part of parts) {
    part.draw(drawing, y);
    y += part.height;
  }
  return drawing.view(
    options.machine ? 'My decision card.' : 'The decision card, not filled in yet.',
  );
}
