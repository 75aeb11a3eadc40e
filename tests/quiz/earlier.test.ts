import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import {outcome} from '#lib/quiz/answer.js';
import {courseBank} from '#lib/quiz/bank.js';
import type {ChoiceQuestion, NumericQuestion} from '#lib/quiz/question.js';
import {earlierAnswers} from '#lib/quiz/earlier.js';
import {enterCourse} from './course.js';

let course: ReturnType<typeof enterCourse>;
beforeEach(() => {
  course = enterCourse();
});
afterEach(() => course.leave());

const bank = courseBank();
const choices = bank.questions.filter(
  (one): one is ChoiceQuestion => one.kind === 'choice' && one.mode === 'practice',
);
const [one] = choices;
const right = (question: ChoiceQuestion) => question.options.find((option) => option.right)!.letter;
const wrong = (question: ChoiceQuestion) => question.options.find((option) => !option.right)!;
const html = (id: string) => String(earlierAnswers([{id}]).outputs[0]!['text/html']);

describe('earlierAnswers', () => {
  it('says of a question that was not answered just that, and nothing of what is right', () => {
    for (const question of choices) {
      const {text} = earlierAnswers([{id: question.id}]);
      expect(text).toContain(`○ ${question.title}: not answered yet.`);
      for (const step of [
        ...question.solution,
        question.quickCheck,
        ...question.options.flatMap(({mistake}) => mistake ?? []),
      ])
        expect(text).not.toContain(step.split('\n')[0]);
    }
  });

  it('shows the last answer that was kept, and whether it was right', () => {
    outcome(bank, one.id, wrong(one).letter);
    expect(earlierAnswers([{id: one.id}]).text).toContain(
      `✗ ${one.title}: you answered ${wrong(one).letter}, which is not right.\nThe question`,
    );
    expect(earlierAnswers([{id: one.id}]).text).toContain('The mistake behind it');
    expect(earlierAnswers([{id: one.id}]).text).not.toContain('The solution');
    outcome(bank, one.id, right(one));
    expect(earlierAnswers([{id: one.id}]).text).toContain(
      `✓ ${one.title}: you answered ${right(one)}, which is right.`,
    );
  });

  it('shows a number as it was kept, and does not judge it', () => {
    for (const number of bank.questions
      .filter((question): question is NumericQuestion => question.kind === 'numeric')
      .slice(0, 4)) {
      outcome(bank, number.id, number.value, number.unit);
      expect(earlierAnswers([{id: number.id}]).text).toMatch(
        /^○ [^\n]+: you answered [\d.,]+[^\n]*\.$/m,
      );
      expect(earlierAnswers([{id: number.id}]).text).not.toContain('right');
    }
  });

  it('sets the evidence beside it, a card a question', () => {
    const view = earlierAnswers([
      {id: one.id, evidence: 'each rank saw **90** samples'},
      {id: choices[1].id},
    ]);
    expect(view.outputs).toHaveLength(2);
    expect(view.outputs[0]!['text/html']).toContain('<strong>90</strong>');
    expect(view.outputs[1]!['text/plain']).not.toContain('The evidence');
    expect(html(one.id)).not.toMatch(/<script|<svg/);
  });

  it('refuses what it cannot show', () => {
    expect(() => earlierAnswers([{id: 'no-such-question'}])).toThrow(
      /there is no question "no-such-question"/,
    );
    expect(() => earlierAnswers([{id: 'sgd-step'}])).toThrow(/answered with code/);
    expect(() => earlierAnswers([])).toThrow(/needs a list of questions/);
  });
});
