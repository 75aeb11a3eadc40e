/**
 * The decision card: a page with the machine's numbers, the walk with the learner's
 * own in each inequality, and the planner's verdicts. Blank where nothing is known yet.
 */
import {anObject, listOf, positiveNumber, readOptions, type OptionTable} from '../../base/options';
import {formatBytes} from '../../base/units';
import type {Machine} from '../../planner/machine';
import type {LinkOperation} from '../../planner/commBenchmark';
import {Drawing} from '../drawing';
import type {Drawn} from '../drawn';
import {formatNumber, formatSeconds} from '../format';
import {DECISION_STEPS, type DecisionQuestion} from './decisionSteps';

/** What the planner said of a model. */
export interface DecisionVerdict {
  model: string;
  /** The name of its first row. */
  best: string;
  /** Seconds of a step, foretold. */
  predictedSeconds: number;
  /** Seconds of a step, measured; none where it was not run. */
  measuredSeconds?: number;
  reason: string;
}

/** What is written on the card. */
export interface DecisionCardOptions {
  /** What `calibrate` found. */
  machine?: Machine;
  /** Floating-point operations a second of one worker. */
  flopsPerSecond?: number;
  /** Bytes that a device may hold. */
  memoryBytes?: number;
  /** The inequalities with numbers in them, by their questions. */
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
/** A letter's width in the mean, as a share of its size, in the widest of the fonts. */
const LETTER = 0.56;
const COLUMNS = {
  rule: {x: 36, width: 236},
  filled: {x: 292, width: 290},
  then: {x: 602, width: 206},
} as const;
const BLANK = '…';

/** Words in lines that are no wider than `width` pixels; a word that is wider is cut. */
export function wrapped(words: string, width: number, size: number = SIZE): string[] {
  const most = Math.floor(width / (LETTER * size));
  const lines: string[] = [];
  for (const word of words
    .split(/\s+/)
    .map((one) => (one.length > most ? `${one.slice(0, most - 1)}…` : one))) {
    const last = lines[lines.length - 1];
    if (last !== undefined && last.length + 1 + word.length <= most)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}

/** Lines from `y` down; returns where the next would be. */
function write(
  drawing: Drawing,
  x: number,
  y: number,
  lines: readonly string[],
  look: {bold?: boolean; faint?: boolean} = {},
): number {
  lines.forEach((one, at) =>
    drawing.words(x, y + (at + 0.5) * LINE, one, {anchor: 'start', size: SIZE, ...look}),
  );
  return y + lines.length * LINE;
}

function linkWords(machine: Machine | undefined, operation: LinkOperation): string {
  const link = machine?.links.find((one) => one.operation === operation);
  return link ? `${formatSeconds(link.alpha)} + ${formatNumber(1e9 * link.beta)} ns a byte` : BLANK;
}

/** The machine's fields, each its name and its value. */
function fieldsOf({machine, flopsPerSecond, memoryBytes}: DecisionCardOptions): [string, string][] {
  return [
    [
      'device',
      machine
        ? `${machine.device}${machine.cores > 0 ? `, ${machine.cores} ${machine.cores === 1 ? 'core' : 'cores'}` : ''}`
        : BLANK,
    ],
    [
      'one worker computes',
      flopsPerSecond === undefined ? BLANK : `${formatNumber(flopsPerSecond / 1e9)} GFLOP/s`,
    ],
    ['a device may hold', memoryBytes === undefined ? BLANK : formatBytes(memoryBytes)],
    ['all-reduce, α + bytes β', linkWords(machine, 'allReduce')],
    ['all-reduce in a layer', linkWords(machine, 'sumTensor')],
    ['message between stages', linkWords(machine, 'send')],
  ];
}

const FIELD = {width: 264, height: 56} as const;

interface Part {
  height: number;
  draw(drawing: Drawing, y: number): void;
}

function machinePart(options: DecisionCardOptions): Part {
  return {
    height: 2 * FIELD.height + 10,
    draw: (drawing, y) =>
      fieldsOf(options).forEach(([name, value], at) => {
        const [x, top] = [LEFT + (at % 3) * FIELD.width, y + Math.floor(at / 3) * FIELD.height];
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

function walkParts({filled = {}}: DecisionCardOptions): Part[] {
  return DECISION_STEPS.map(({question, ask, rule, then}) => {
    const [rules, own, way] = [
      wrapped(rule, COLUMNS.rule.width),
      wrapped(filled[question] ?? BLANK, COLUMNS.filled.width),
      wrapped(then, COLUMNS.then.width),
    ];
    const height = Math.max(1 + rules.length, own.length, way.length) * LINE + 18;
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
          rules,
        );
        write(drawing, COLUMNS.filled.x, y + 8, own);
        write(drawing, COLUMNS.then.x, y + 8, way, {faint: true});
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
    const times = `foretold ${formatSeconds(predictedSeconds)}${measuredSeconds === undefined ? '' : `, measured ${formatSeconds(measuredSeconds)}`}`;
    const [name, way, why] = [
      wrapped(model, COLUMNS.rule.width),
      [...wrapped(best, COLUMNS.filled.width), ...wrapped(times, COLUMNS.filled.width)],
      wrapped(reason, COLUMNS.then.width),
    ];
    const height = Math.max(name.length, way.length, why.length) * LINE + 10;
    return {
      height,
      draw: (drawing, y) => {
        write(drawing, COLUMNS.rule.x, y, name, {bold: true});
        write(drawing, COLUMNS.filled.x, y, way);
        write(drawing, COLUMNS.then.x, y, why, {faint: true});
      },
    };
  });
}

const head = (words: readonly [string, string, string]): Part => ({
  height: LINE + 12,
  draw: (drawing, y) =>
    Object.values(COLUMNS).forEach(({x}, at) =>
      drawing.words(x, y + 14, words[at], {anchor: 'start', size: 12, faint: true}),
    ),
});

/** What stands on the card, told to someone who does not see it. */
function told(options: DecisionCardOptions): string {
  const {filled = {}, verdicts = []} = options;
  const said = (words: string) => (words === BLANK ? 'blank' : words);
  return [
    `Decision card. ${fieldsOf(options)
      .map(([name, value]) => `${name}: ${said(value)}`)
      .join('; ')}.`,
    ...DECISION_STEPS.map(
      ({question, ask, rule, then}) =>
        `${ask} ${rule}; mine: ${filled[question] ?? 'blank'}. ${then}`,
    ),
    `The planner's verdicts: ${verdicts.map(({model, best, predictedSeconds, reason}) => `${model}: ${best}, ${formatSeconds(predictedSeconds)} foretold; ${reason}`).join(' ') || 'blank'}`,
  ].join(' ');
}

/**
 * The decision card. Without options it has room for your numbers, with them it is filled in;
 * `saveDrawing` saves it as an SVG file. Throws BAD_OPTION.
 */
export function decisionCard(options: DecisionCardOptions = {}): Drawn {
  readOptions('decisionCard', options, OPTIONS);
  const parts = [
    machinePart(options),
    head(['the question, and its inequality', 'with my numbers', 'and then']),
    ...walkParts(options),
    head(['the planner, by model', 'its first row', 'why']),
    ...verdictParts(options),
  ];
  const top = 56;
  const drawing = new Drawing(
    WIDTH,
    top + parts.reduce((sum, {height}) => sum + height, 0) + 12,
    told(options),
  );
  drawing.words(LEFT, 30, 'When to use which', {anchor: 'start', bold: true, size: 20});
  let y = top;
  for (const part of parts) {
    part.draw(drawing, y);
    y += part.height;
  }
  return drawing.view(
    options.machine ? 'My decision card.' : 'The decision card, still to be filled.',
  );
}
