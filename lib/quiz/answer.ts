/**
 * `answer('which-split', 'A')` and `answer('adam-bytes', 12, 'GB')`, the cells that a learner
 * completes.
 */
import {messageOf, shown} from '../base/errors';
import {nearest} from '../base/nearest';
import {showHtml} from '../notebook/display';
import {courseBank, type Bank} from './bank';
import type {Question} from './question';
import {answerCard, card, type Card} from './card';
import {judge} from './judge';
import {keep} from './store';

/**
 * Judges the letter for a choice question, or the number in `unit` for a numeric question, and shows
 * the outcome: right or wrong with the worked steps in practice, "recorded: B" when assessed. Keeps
 * the last answer in `answers/<id>.json` for the learner. Never throws: shows any error as a
 * sentence.
 */
export function answer(id: string, value?: unknown, unit?: unknown): void {
  show(() => outcome(courseBank(), id, value, unit));
}

/** Records an answer and returns its card. */
export function outcome(bank: Bank, id: unknown, value: unknown, unit?: unknown): Card {
  const question = findQuestion(bank, id, 'answer');
  if (!('kind' in question)) return question;
  if (question.kind === 'code') {
    return card(
      '!',
      `"${question.id}" is answered with code: write check('${question.id}', ${question.functionName}) with the function that you wrote.`,
    );
  }
  const judged = judge(question, value, unit);
  if (judged.answer !== null) keep(question.id, {answer: judged.answer});
  return answerCard(question, judged);
}

/** The question with that id, or a card that says what is wrong with the id. */
export function findQuestion(bank: Bank, id: unknown, caller: string): Question | Card {
  if (typeof id !== 'string')
    return card(
      '!',
      `${caller}: the first value must be a question's id between quotes, not ${shown(id)}.`,
    );
  const question = bank.find(id);
  if (question) return question;
  const near = nearest(id, bank.ids);
  return card(
    '!',
    `There is no question ${JSON.stringify(id)}${near === undefined ? '' : `; did you mean '${near}'?`} Nothing was recorded.`,
  );
}

/** Shows the card that `make` returns; if that fails, shows the error, or prints the card's text. */
export function show(make: () => Card): void {
  let shownCard: Card;
  try {
    shownCard = make();
  } catch (error) {
    shownCard = card('!', messageOf(error));
  }
  try {
    showHtml(shownCard);
  } catch {
    console.log(shownCard.text);
  }
}
