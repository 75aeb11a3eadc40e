/**
 * `earlierAnswers([{id: 'which-split', evidence: '...'}])`, which shows earlier questions with the
 * learner's answers.
 */
import {ManyHandsError, shown} from '../base/errors';
import {View} from '../notebook/view';
import {courseBank, type Bank} from './bank';
import type {AnsweredQuestion} from './question';
import {card, type Card, type CardPart} from './card';
import {judge} from './judge';
import {recall} from './store';

/** A question of an earlier notebook. */
export interface EarlierQuestion {
  id: string;
  /** Measurements made since then that bear on the question, in Markdown. */
  evidence?: string;
}

/**
 * The card of an earlier question. It never reveals a right answer that the learner has not found:
 * neither the letter nor the worked steps.
 */
function earlierCard(question: AnsweredQuestion, evidence: string | undefined): Card {
  const options =
    question.kind === 'choice'
      ? `\n\n${question.options.map(({letter, text}) => `- **${letter}.** ${text}`).join('\n')}`
      : '';
  const asked: CardPart = {label: 'The question', body: `${question.stem}${options}`, folded: true};
  const parts: CardPart[] = [
    asked,
    ...(evidence === undefined ? [] : [{label: 'The evidence', body: evidence}]),
  ];
  const {title} = question;
  const {answer} = recall(question.id);
  if (answer === undefined) return card('○', `${title}: not answered yet.`, parts);
  // A number is kept with three significant figures, too few to judge it.
  if (question.mode === 'assessed' || question.kind === 'numeric')
    return card('○', `${title}: you answered ${answer}.`, parts);
  const {status, mistake} = judge(question, answer);
  if (status === 'right')
    return card('✓', `${title}: you answered ${answer}, which is right.`, parts);
  const mistakePart: CardPart[] =
    mistake === null ? [] : [{label: 'The mistake behind it', body: mistake}];
  return card('✗', `${title}: you answered ${answer}, which is not right.`, [
    asked,
    ...mistakePart,
    ...parts.slice(1),
  ]);
}

/** The questions of a bank with the learner's answers; `earlierAnswers` uses the course's bank. */
function earlierView(bank: Bank, questions: readonly EarlierQuestion[]): View {
  if (!Array.isArray(questions) || questions.length === 0)
    throw new ManyHandsError(
      'BAD_OPTION',
      `earlierAnswers needs a list of questions, such as [{id: 'which-split'}]; it got ${shown(questions)}.`,
    );
  const cards = (questions as readonly EarlierQuestion[]).map(({id, evidence}) => {
    const question = bank.find(id);
    if (!question)
      throw new ManyHandsError('BAD_OPTION', `earlierAnswers: there is no question ${shown(id)}.`);
    if (question.kind === 'code')
      throw new ManyHandsError(
        'BAD_OPTION',
        `earlierAnswers: '${id}' is answered with code, and code is not kept.`,
      );
    return earlierCard(question, evidence);
  });
  return new View(cards.map(({html, text}) => ({'text/html': html, 'text/plain': text})));
}

/**
 * Shows earlier questions with the answers kept in `answers/` or "not answered yet", whether a
 * letter was right, and `evidence`. Reveals no right answer. Throws BAD_OPTION for an unknown id or
 * a code question, and BAD_BANK for a broken bank.
 */
export function earlierAnswers(questions: readonly EarlierQuestion[]): View {
  return earlierView(courseBank(), questions);
}
