/**
 * `answer('which-split', 'A')`, `answer('adam-bytes', 12, 'GB')`: the cell that a
 * learner completes.
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
 * Judges the letter given to a choice question, or the number (in `unit`) given to a numeric one,
 * and shows the outcome: right or wrong with the worked steps (practice), or "recorded: B"
 * (assessed). The last answer is kept in `answers/<id>.json`, for the learner. Never throws:
 * whatever is wrong is said in a sentence.
 */
export function answer(id: string, value?: unknown, unit?: unknown): void {
  show(() => outcome(courseBank(), id, value, unit));
}

/** The card for an answer; also records the answer. */
export function outcome(bank: Bank, id: unknown, value: unknown, unit?: unknown): Card {
  const found = findQuestion(bank, id, 'answer');
  if (!('kind' in found)) return found;
  if (found.kind === 'code') {
    return card(
      '!',
      `"${found.id}" is answered with code: write check('${found.id}', ${found.functionName}) with the function that you wrote.`,
    );
  }
  const judged = judge(found, value, unit);
  if (judged.answer !== null) keep(found.id, {answer: judged.answer});
  return answerCard(found, judged);
}

/** The question of that id, or a card that says what is wrong with the id. */
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

/** Shows the card that `make` returns; a failure to make or show one is a sentence as well. */
export function show(make: () => Card): void {
  let made: Card;
  try {
    made = make();
  } catch (error) {
    made = card('!', messageOf(error));
  }
  try {
    showHtml(made);
  } catch {
    console.log(made.text);
  }
}
