/**
 * What a learner's value means as the answer to a question: one judgement for the
 * notebook and for the grader.
 */
import {shown} from '../base/errors';
import type {AnsweredQuestion, ChoiceQuestion, NumericQuestion} from './question';
import {convert, dimensionOf, figure, withUnit} from './units';

/**
 * `answer` is the letter, or the number with its unit, or null where the value is neither;
 * `mistake` is the one behind a wrong answer, where the bank knows it; `message` is a whole
 * sentence.
 */
export interface Judgement {
  status: 'right' | 'wrong' | 'unanswered' | 'unreadable';
  answer: string | null;
  mistake: string | null;
  message: string;
}

/**
 * Judges any value, with the unit that stands beside it where the question wants a number. Never
 * throws.
 */
export function judge(question: AnsweredQuestion, value: unknown, unit?: unknown): Judgement {
  return question.kind === 'choice'
    ? judgeChoice(question, value)
    : judgeNumber(question, value, unit);
}

/** 'A', 'B', 'C' or 'D', as a sentence lists letters. */
export function lettersOf(question: ChoiceQuestion): string {
  const letters = question.options.map((option) => option.letter);
  return `${letters.slice(0, -1).join(', ')} or ${letters.at(-1)}`;
}

/** Judges a letter; small ones and spaces around it are fine. Never throws. */
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
    letters.every((letter) => question.options.some((one) => one.letter === letter))
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

/** The learner's number in the question's unit, or a sentence that says why it is none. */
function read(
  {unit: own}: NumericQuestion,
  value: unknown,
  unit: unknown,
): {number: number; answer: string} | {why: string} {
  const number =
    typeof value === 'string' && /^\s*[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?\s*$/i.test(value)
      ? Number(value)
      : value;
  const wanted = `write a number without quotes${own === '' ? '' : `, and its unit as it stands: '${own}'`}`;
  if (typeof number !== 'number' || Number.isNaN(number))
    return {why: `${shown(value)} is no number: ${wanted}.`};
  if (!Number.isFinite(number))
    return {why: `${number} is no number that a machine could show: ${wanted}.`};
  const given = unit ?? own;
  if (typeof given !== 'string') return {why: `the unit ${shown(unit)} is no text: ${wanted}.`};
  const converted = convert(number, given.trim(), own);
  if (converted === null) {
    const dimension = dimensionOf(own);
    return {
      why: `the unit ${JSON.stringify(given)} does not turn into ${own === '' ? 'a plain number' : own}${dimension && dimension !== 'ratio' ? `, a unit of ${dimension}` : ''}: ${wanted}.`,
    };
  }
  return {number: converted, answer: withUnit({value: number, unit: given.trim()})};
}

function within(value: number, expected: number, {tolerance, relative}: NumericQuestion): boolean {
  const room = relative ? tolerance * Math.abs(expected) : tolerance;
  // A decimal fraction such as 0.1 is not exactly itself.
  return Math.abs(value - expected) <= room * (1 + 1e-9) + 1e-12 * Math.abs(expected);
}

/** The turn that a wrong number took: one that the bank names, or a power of a thousand. */
function wrongTurn(question: NumericQuestion, value: number): string | null {
  const named = question.wrongTurns.find((turn) => within(value, turn.value, question));
  if (named) return named.mistake;
  for (const power of [1, 2, 3]) {
    for (const [factor, way] of [
      [1000 ** power, 'too much'],
      [1000 ** -power, 'too little'],
    ] as const) {
      if (question.value !== 0 && within(value / factor, question.value, question))
        return `That is ${figure(1000 ** power)} times ${way}: look at the unit, ${question.unit === '' ? 'there is none' : question.unit}.`;
    }
  }
  return null;
}

/** Judges a number; null and an empty text are no answer yet. Never throws. */
function judgeNumber(question: NumericQuestion, value: unknown, unit: unknown): Judgement {
  if (value === undefined || value === null || (typeof value === 'string' && value.trim() === '')) {
    return {
      status: 'unanswered',
      answer: null,
      mistake: null,
      message: `not answered yet: write a number in place of null${question.unit === '' ? '' : `, in ${question.unit}`}.`,
    };
  }
  const found = read(question, value, unit);
  if ('why' in found)
    return {status: 'unreadable', answer: null, mistake: null, message: found.why};
  const right = within(found.number, question.value, question);
  return {
    status: right ? 'right' : 'wrong',
    answer: found.answer,
    mistake: right ? null : wrongTurn(question, found.number),
    message: `${found.answer} is ${right ? 'right' : 'wrong'}.`,
  };
}
