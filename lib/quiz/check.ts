/**
 * `check('sgd-step', sgdStep)`: runs a code question's visible tests on the learner's
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
 * Shows each visible test of question `id` as passed or not, and resolves to the function that
 * later cells shall use: the learner's own once it passes all of them, the library's until then
 * (`whichRan` says which). Never throws, for a wrong id or value either: then it resolves to what
 * it was given.
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
 * "sgdStep: yours" or "sgdStep: the library's": which of the two the cells after the check of
 * question `id` use.
 */
export function whichRan(id: string): string {
  const found = ran.get(id);
  return found ? `${found.name}: ${found.which}` : `${id}: not checked yet`;
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
        `"${question.id}" is answered with a letter: write answer('${question.id}', '…').`,
      ),
      use: value,
    };
  const given = value === undefined || value === null ? undefined : value;
  if (given !== undefined && typeof given !== 'function') {
    const message = `check('${question.id}'): ${shown(value)} is no function; give the function itself, ${question.functionName}, not what it returns.`;
    return {card: card('!', `${message} ${usesLibrary(question)}`), use: useLibrary(question)};
  }
  const {results, blank} = await runTests(question, (given ?? (() => undefined)) as AnyFunction);
  if (results.every(({passed}) => passed)) {
    ran.set(question.id, {which: 'yours', name: question.functionName});
    const parts = question.mode === 'practice' ? solutionParts(question, true) : [];
    return {
      card: card(
        '✓',
        `All ${results.length} visible tests pass: the cells below use your ${question.functionName}.`,
        [testList(results), ...parts],
      ),
      use: given,
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

/** A code span that no back-tick inside it can end. */
function code(text: string): string {
  const longest = Math.max(0, ...(text.match(/`+/g) ?? []).map((run) => run.length));
  const fence = '`'.repeat(longest + 1);
  const oneLine = text.replace(/\s+/g, ' ');
  return longest > 0 ? `${fence} ${oneLine} ${fence}` : `${fence}${oneLine}${fence}`;
}
