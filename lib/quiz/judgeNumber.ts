/**
 * What a learner's number means, in whatever unit of the right dimension it stands.
 */
import {shown} from '../base/errors';
import type {NumericQuestion} from './bank';
import type {Judgement} from './judge';
import {convert, dimensionOf, figure, withUnit} from './units';

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
export function judgeNumber(question: NumericQuestion, value: unknown, unit: unknown): Judgement {
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
