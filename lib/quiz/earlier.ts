/**
 * `earlierAnswers([{id: 'which-split', evidence: '...'}])`: questions that were asked
 * before, with what the learner answered then.
 */
import {ManyHandsError, shown} from '../base/errors';
import {View} from '../notebook/view';
import {courseBank, type Bank} from './bank';
import type {AnsweredQuestion} from './question';
import {card, type Card, type CardPart} from './card';
import {judge} from './judge';
import {recall} from './store';

/** A question that was asked before. */
export interface EarlierQuestion {
  id: string;
  /** What was measured since then that speaks to it, in Markdown. */
  evidence?: string;
}

/**
 * Never what is right where the learner has not found it: neither its letter nor the worked steps.
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
  // A number is kept in three figures, which is too coarse to judge it by.
  if (question.mode === 'assessed' || question.kind === 'numeric')
    return card('○', `${title}: you answered ${answer}.`, parts);
  const {status, mistake} = judge(question, answer);
  if (status === 'right')
    return card('✓', `${title}: you answered ${answer}, which is right.`, parts);
  const behind: CardPart[] =
    mistake === null ? [] : [{label: 'The mistake behind it', body: mistake}];
  return card('✗', `${title}: you answered ${answer}, which is not right.`, [
    asked,
    ...behind,
    ...parts.slice(1),
  ]);
}

/**
 * The questions of a bank with what was answered; the course's own bank is that of
 * `earlierAnswers`.
 */
export function earlierView(bank: Bank, questions: readonly EarlierQuestion[]): View {
  if (!Array.isArray(questions) || questions.length === 0)
    throw new ManyHandsError(
      'BAD_OPTION',
      `earlierAnswers wants a list of questions, [{id: 'which-split'}]; it got ${shown(questions)}.`,
    );
  const cards = (questions as readonly EarlierQuestion[]).map(({id, evidence}) => {
    const question = bank.find(id);
    if (!question)
      throw new ManyHandsError('BAD_OPTION', `earlierAnswers: there is no question ${shown(id)}.`);
    if (question.kind === 'code')
      throw new ManyHandsError(
        'BAD_OPTION',
        `earlierAnswers: '${id}' is answered with code, and what was written is not kept.`,
      );
    return earlierCard(question, evidence);
  });
  return new View(cards.map(({html, text}) => ({'text/html': html, 'text/plain': text})));
}

/**
 * Questions that were asked before, each with the answer that was kept for it (in `answers/`) and,
 * of a letter, whether it was right, or "not answered yet", and with `evidence` where it is given.
 * No answer is asked for, and none is given away. Throws BAD_OPTION for an id that the course has
 * not, or a question that is answered with code; BAD_BANK.
 */
export function earlierAnswers(questions: readonly EarlierQuestion[]): View {
  return earlierView(courseBank(), questions);
}
