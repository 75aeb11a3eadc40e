/**
 * `check('sgd-step', sgdStep)`, which runs the visible tests of a code question on the learner's
 * function.
 */
import {messageOf, shown} from '../base/errors';
import {findQuestion, show} from './answer';
import {courseBank, type Bank} from './bank';
import type {CodeQuestion} from './question';
import {card, solutionParts, type Card, type CardPart} from './card';
import {referenceOf, runTests, type AnyFunction, type TestResult} from './tests';

type Which = 'yours' | "the library's";
const ran = new Map<string, {which: Which; name: string}>();

/**
 * Shows which visible tests of question `id` pass, and resolves to the function for later cells: the
 * learner's function if it passes all tests, otherwise the library's; `whichRan` says which. Never
 * rejects: for an unknown id it resolves to `value`.
 */
export async function check<F extends AnyFunction>(id: string, value?: F): Promise<F> {
  let outcome: {card: Card; use: unknown};
  try {
    outcome = await checked(courseBank(), id, value);
  } catch (error) {
    outcome = {card: card('!', messageOf(error)), use: value};
  }
  show(() => outcome.card);
  return outcome.use as F;
}

/**
 * Says which function the cells after the check of question `id` use: "sgdStep: yours" or "sgdStep:
 * the library's".
 */
export function whichRan(id: string): string {
  const chosen = ran.get(id);
  return chosen ? `${chosen.name}: ${chosen.which}` : `${id}: not checked yet`;
}

/** The card of a check, and the function to use after it. */
export async function checked(
  bank: Bank,
  id: unknown,
  value: unknown,
): Promise<{card: Card; use: unknown}> {
  const question = findQuestion(bank, id, 'check');
  if (!('kind' in question)) return {card: question, use: value};
  if (question.kind !== 'code')
    return {
      card: card(
        '!',
        question.kind === 'choice'
          ? `"${question.id}" is answered with a letter: write answer('${question.id}', '…').`
          : `"${question.id}" is answered with a number: write answer('${question.id}', …, '${question.unit}').`,
      ),
      use: value,
    };
  const isBlank = value === undefined || value === null;
  if (!isBlank && typeof value !== 'function') {
    const message = `check('${question.id}'): ${shown(value)} is not a function; pass the function itself, ${question.functionName}, not its result.`;
    return {card: card('!', `${message} ${usesLibrary(question)}`), use: useLibrary(question)};
  }
  const {results, blank} = await runTests(
    question,
    (isBlank ? () => undefined : value) as AnyFunction,
  );
  if (results.every(({passed}) => passed)) {
    ran.set(question.id, {which: 'yours', name: question.functionName});
    const parts = question.mode === 'practice' ? solutionParts(question, true) : [];
    return {
      card: card(
        '✓',
        `All ${results.length} visible tests pass: the cells below use your ${question.functionName}.`,
        [testList(results), ...parts],
      ),
      use: value,
    };
  }
  return {card: failedCard(question, results, blank), use: useLibrary(question)};
}

function failedCard(question: CodeQuestion, results: TestResult[], blank: boolean): Card {
  if (blank) {
    return card(
      '○',
      `not answered yet: ${question.functionName} returns nothing. ${usesLibrary(question)}`,
    );
  }
  const passed = results.filter((result) => result.passed).length;
  return card('✗', `${passed} of ${results.length} visible tests pass. ${usesLibrary(question)}`, [
    testList(results),
    {label: 'Read again', body: question.readAgain},
  ]);
}

function usesLibrary({functionName}: CodeQuestion): string {
  return `Until yours passes, the cells below use the library's ${functionName}.`;
}

function useLibrary(question: CodeQuestion): AnyFunction {
  ran.set(question.id, {which: "the library's", name: question.functionName});
  return referenceOf(question);
}

function testList(results: TestResult[]): CardPart {
  const lines = results.map(({test, passed, expected, got}) =>
    passed
      ? `- ✓ passed: ${test.name}: ${code(test.call)}`
      : `- ✗ failed: ${test.name}: ${code(test.call)}:\n  expected ${code(expected)}, got ${code(got)}`,
  );
  return {label: 'Visible tests', body: lines.join('\n')};
}

/** A Markdown code span with a fence longer than any run of backticks in `text`. */
function code(text: string): string {
  const longest = Math.max(0, ...(text.match(/`+/g) ?? []).map((run) => run.length));
  const fence = '`'.repeat(longest + 1);
  const oneLine = text.replace(/\s+/g, ' ');
  return longest > 0 ? `${fence} ${oneLine} ${fence}` : `${fence}${oneLine}${fence}`;
}
