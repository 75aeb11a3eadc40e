/**
 * Either side. What a learner's value means as the answer to a question: one judgement for the notebook and for the grader.
 */
import {shown} from '../base/errors';
import type {ChoiceQuestion, Option} from './bank';

/** `answer` is the letter, or null where the value names no option; `message` is a whole sentence. */
export interface Judgement {
  status: 'right' | 'wrong' | 'unanswered' | 'unreadable';
  answer: string | null;
  option: Option | null;
  message: string;
}

/** 'A', 'B', 'C' or 'D', as a sentence lists letters. */
export function lettersOf(question: ChoiceQuestion): string {
  const letters = question.options.map((option) => option.letter);
  return `${letters.slice(0, -1).join(', ')} or ${letters.at(-1)}`;
}

/** Judges any value; small letters and spaces around the letter are fine. Never throws. */
export function judgeChoice(question: ChoiceQuestion, value: unknown): Judgement {
  const unreadable = (message: string): Judgement => ({status: 'unreadable', answer: null, option: null, message});
  const wanted = `write one letter between the quotes, ${lettersOf(question)}`;
  const blank = value === undefined || value === null || (typeof value === 'string' && value.trim() === '');
  if (blank) return {status: 'unanswered', answer: null, option: null, message: `not answered yet: ${wanted}.`};
  if (typeof value !== 'string') return unreadable(`${shown(value)} is not a letter: ${wanted}.`);
  const text = value.trim().toUpperCase();
  const option = question.options.find(({letter}) => letter === text);
  if (option) {
    const status = option.right ? 'right' : 'wrong';
    return {status, answer: option.letter, option, message: `${option.letter} is ${status}.`};
  }
  const quoted = JSON.stringify(value.length > 40 ? `${value.slice(0, 37)}...` : value);
  const letters = [...new Set(text.match(/[A-Z]/g) ?? [])];
  if (/^[A-Z](?:[\s,;/+&]*[A-Z])+$/.test(text) && letters.length > 1 && letters.every((letter) => question.options.some((one) => one.letter === letter))) {
    return unreadable(`${quoted} names ${letters.length} options, but exactly one is right: ${wanted}.`);
  }
  if (/^[A-Z]$/.test(text)) return unreadable(`There is no option ${text} here: ${wanted}.`);
  if (/^\P{ASCII}$/u.test(text)) return unreadable(`${quoted} is a letter of another alphabet, however it looks: ${wanted}.`);
  return unreadable(`${quoted} is not one letter: ${wanted}.`);
}
