/**
 * What a learner's value means as the answer to a question: one judgement for the
 * notebook and for the grader.
 */
import {shown} from '../base/errors';
import type {AnsweredQuestion, ChoiceQuestion} from './bank';
import {judgeNumber} from './judgeNumber';

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
