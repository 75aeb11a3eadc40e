/**
 * Judges a learner's answer to a choice or numeric question, for the notebook and for the grader.
 */
import {shown} from '../base/errors';
import type {AnsweredQuestion, ChoiceQuestion, NumericQuestion} from './question';
import {convert, dimensionOf, figure, withUnit} from './units';

/** The result of judging an answer. */
export interface Judgement {
  status: 'right' | 'wrong' | 'unanswered' | 'unreadable';
  /** The letter, or the number with its unit; null for a value that is neither. */
  answer: string | null;
  /** The mistake behind a wrong answer, if the bank knows it. */
  mistake: string | null;
  /** A complete sentence. */
  message: string;
}

/** Judges any value, and its unit for a numeric question. Never throws. */
export function judge(question: AnsweredQuestion, value: unknown, unit?: unknown): Judgement {
  return question.kind === 'choice'
    ? judgeChoice(question, value)
    : judgeNumber(question, value, unit);
}

/** Lists the letters of the options: 'A, B, C or D'. */
function lettersOf(question: ChoiceQuestion): string {
  const letters = question.options.map((option) => option.letter);
  return `${letters.slice(0, -1).join(', ')} or ${letters.at(-1)}`;
}

/** Judges a letter; accepts lower case and spaces around it. Never throws. */
export function judgeChoice(question: ChoiceQuestion, value: unknown): Judgement {
  const unreadable = (message: string): Judgement => ({
    status: 'unreadable',
    answer: null,
    mistake: null,
    message,
  });
  const wanted = `write one letter between the quotes, ${lettersOf(question)}`;
  const blank =
    value === undefined || value === null || (typeof value === 'string' && value.trim() === '');
  if (blank)
    return {
      status: 'unanswered',
      answer: null,
      mistake: null,
      message: `not answered yet: ${wanted}.`,
    };
  if (typeof value !== 'string') return unreadable(`${shown(value)} is not a letter: ${wanted}.`);
  const text = value.trim().toUpperCase();
  const option = question.options.find(({letter}) => letter === text);
  if (option) {
    const status = option.right ? 'right' : 'wrong';
    return {
      status,
      answer: option.letter,
      mistake: option.mistake,
      message: `${option.letter} is ${status}.`,
    };
  }
  const quoted = JSON.stringify(value.length > 40 ? `${value.slice(0, 37)}...` : value);
  const letters = [...new Set(text.match(/[A-Z]/g) ?? [])];
  if (
    /^[A-Z](?:[\s,;/+&]*[A-Z])+$/.test(text) &&
    letters.length > 1 &&
    letters.every((letter) => question.options.some((other) => other.letter === letter))
  ) {
    return unreadable(
      `${quoted} names ${letters.length} options, but exactly one is right: ${wanted}.`,
    );
  }
  if (/^[A-Z]$/.test(text)) return unreadable(`There is no option ${text} here: ${wanted}.`);
  if (/^\P{ASCII}$/u.test(text))
    return unreadable(`${quoted} is a letter of another alphabet, however it looks: ${wanted}.`);
  return unreadable(`${quoted} is not one letter: ${wanted}.`);
}

/** Reads the learner's number in the question's unit; `why` says why a value cannot be read. */
function readNumber(
  {unit: expectedUnit}: NumericQuestion,
  value: unknown,
  unit: unknown,
): {number: number; answer: string} | {why: string} {
  const number =
    typeof value === 'string' && /^\s*[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?\s*$/i.test(value)
      ? Number(value)
      : value;
  const wanted = `write a number without quotes${expectedUnit === '' ? '' : `, and its unit as it stands: '${expectedUnit}'`}`;
  if (typeof number !== 'number' || Number.isNaN(number))
    return {why: `${shown(value)} is not a number: ${wanted}.`};
  if (!Number.isFinite(number)) return {why: `${number} is not a finite number: ${wanted}.`};
  const givenUnit = unit ?? expectedUnit;
  if (typeof givenUnit !== 'string')
    return {why: `the unit ${shown(unit)} is not a string: ${wanted}.`};
  const converted = convert(number, givenUnit.trim(), expectedUnit);
  if (converted === null) {
    const dimension = dimensionOf(expectedUnit);
    const target = expectedUnit === '' ? 'a plain number' : expectedUnit;
    const kind = dimension && dimension !== 'ratio' ? `, a unit of ${dimension}` : '';
    return {
      why: `the unit ${JSON.stringify(givenUnit)} cannot be converted to ${target}${kind}: ${wanted}.`,
    };
  }
  return {number: converted, answer: withUnit({value: number, unit: givenUnit.trim()})};
}

/** Whether a number is within the question's tolerance of the expected one. */
function within(value: number, expected: number, {tolerance, relative}: NumericQuestion): boolean {
  const allowed = relative ? tolerance * Math.abs(expected) : tolerance;
  // A binary number cannot hold a decimal fraction such as 0.1 exactly.
  return Math.abs(value - expected) <= allowed * (1 + 1e-9) + 1e-12 * Math.abs(expected);
}

/** The mistake behind a wrong number: one that the bank names, or a wrong power of a thousand. */
function mistakeBehind(question: NumericQuestion, value: number): string | null {
  const known = question.wrongTurns.find((turn) => within(value, turn.value, question));
  if (known) return known.mistake;
  for (const power of [1, 2, 3]) {
    for (const [factor, direction] of [
      [1000 ** power, 'too much'],
      [1000 ** -power, 'too little'],
    ] as const) {
      if (question.value !== 0 && within(value / factor, question.value, question))
        return `That is ${figure(1000 ** power)} times ${direction}: look at the unit, ${question.unit === '' ? 'there is none' : question.unit}.`;
    }
  }
  return null;
}

/** Judges a number; null and '' mean that there is no answer yet. Never throws. */
function judgeNumber(question: NumericQuestion, value: unknown, unit: unknown): Judgement {
  if (value === undefined || value === null || (typeof value === 'string' && value.trim() === '')) {
    return {
      status: 'unanswered',
      answer: null,
      mistake: null,
      message: `not answered yet: write a number in place of null${question.unit === '' ? '' : `, in ${question.unit}`}.`,
    };
  }
  const reading = readNumber(question, value, unit);
  if ('why' in reading)
    return {status: 'unreadable', answer: null, mistake: null, message: reading.why};
  const right = within(reading.number, question.value, question);
  return {
    status: right ? 'right' : 'wrong',
    answer: reading.answer,
    mistake: right ? null : mistakeBehind(question, reading.number),
    message: `${reading.answer} is ${right ? 'right' : 'wrong'}.`,
  };
}
