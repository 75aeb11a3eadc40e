import {describe, expect, it} from 'vitest';
import {courseBank} from '#lib/quiz/bank.js';
import type {CodeQuestion} from '#lib/quiz/question.js';
import {checked, whichRan} from '#lib/quiz/check.js';
import {alike, referenceOf, runTests} from '#lib/quiz/tests.js';

type Step = (weights: number[], gradient: number[], rate: number) => unknown;
const question = courseBank().find('sgd-step') as CodeQuestion;
const right: Step = (weights, gradient, rate) =>
  weights.map((weight, i) => weight - rate * gradient[i]!);

describe('check', () => {
  it('passes a right function and gives it back', async () => {
    const {card, use} = await checked(courseBank(), 'sgd-step', right);
    expect(card.text).toMatch(/^✓ All 5 visible tests pass: the cells below use your sgdStep\./);
    expect(card.text.match(/✓ passed:/g)).toHaveLength(5);
    expect(use).toBe(right);
    expect(whichRan('sgd-step')).toBe('sgdStep: yours');
  });

  const wrong: [name: string, given: Step][] = [
    [
      'goes up the slope',
      (weights, gradient, rate) => weights.map((weight, i) => weight + rate * gradient[i]!),
    ],
    [
      'forgets the learning rate',
      (weights, gradient) => weights.map((weight, i) => weight - gradient[i]!),
    ],
    [
      'uses the first gradient for all',
      (weights, gradient, rate) => weights.map((weight) => weight - rate * gradient[0]!),
    ],
    [
      'writes into the old weights',
      (weights, gradient, rate) => {
        weights.forEach((weight, i) => {
          weights[i] = weight - rate * gradient[i]!;
        });
        return weights;
      },
    ],
    ['returns a number', () => 0.8],
    [
      'returns too few',
      (weights, gradient, rate) =>
        right(weights, gradient, rate) && [weights[0]! - rate * gradient[0]!],
    ],
    [
      'throws',
      () => {
        throw new Error('no idea');
      },
    ],
    [
      'rejects',
      async () => {
        throw new Error('no idea');
      },
    ],
  ];
  it.each(wrong)('fails one that %s, and gives the reference', async (_, given) => {
    const {card, use} = await checked(courseBank(), 'sgd-step', given);
    expect(card.text).toMatch(
      /^✗ [0-4] of 5 visible tests pass\. Until yours passes, the cells below use the library's sgdStep\./,
    );
    expect(card.text).toMatch(/✗ failed: .*\n {4}expected `.*`, got /);
    expect(use).not.toBe(given);
    expect((use as Step)([1], [2], 0.5)).toEqual([0]);
    expect(whichRan('sgd-step')).toBe("sgdStep: the library's");
  });

  it('takes an asynchronous function', async () => {
    const {card} = await checked(courseBank(), 'sgd-step', async (...args: Parameters<Step>) =>
      right(...args),
    );
    // The test that looks at the old weights does not wait, and need not.
    expect(card.text).toMatch(/^✓ All 5/);
  });

  it.each([[undefined], [() => undefined], [() => null]])(
    'says "not answered yet" to the untouched cell',
    async (given) => {
      const {card, use} = await checked(courseBank(), 'sgd-step', given);
      expect(card.text).toBe(
        "○ not answered yet: sgdStep returns nothing. Until yours passes, the cells below use the library's sgdStep.",
      );
      expect((use as Step)([1], [1], 1)).toEqual([0]);
    },
  );

  it('has a sentence for everything else', async () => {
    const says = async (id: unknown, value: unknown): Promise<string> =>
      (await checked(courseBank(), id, value)).card.text;
    expect(await says('sgd-step', [0.8])).toMatch(
      /\[0\.8\] \(array\) is not a function; pass the function itself, sgdStep, not its result\./,
    );
    expect(await says('sgd-stp', right)).toMatch(/did you mean 'sgd-step'/);
    expect(await says('which-split', right)).toMatch(
      /is answered with a letter: write answer\('which-split'/,
    );
    expect(whichRan('never-checked')).toBe('never-checked: not checked yet');
  });

  it('shows no back-tick of the learner as code', async () => {
    const {card} = await checked(courseBank(), 'sgd-step', () => '`<b>``');
    expect(card.html).not.toContain('<b>');
  });
});

describe('visible tests', () => {
  it('of every code question are passed by its reference', async () => {
    const code = courseBank().questions.filter((one): one is CodeQuestion => one.kind === 'code');
    expect(code.length).toBeGreaterThan(0);
    for (const one of code) {
      const {results} = await runTests(one, referenceOf(one));
      expect(results.filter(({passed}) => !passed)).toEqual([]);
    }
  });

  it('wait for a promise', async () => {
    const {results} = await runTests(
      {...question, tests: [{name: 'late', call: 'sgdStep()', expected: '1'}]},
      async () => 1,
    );
    expect(results.map(({passed}) => passed)).toEqual([true]);
  });

  it('compare by value, within rounding', () => {
    expect(alike(0.1 + 0.2, 0.3)).toBe(true);
    expect(alike(0.3001, 0.3)).toBe(false);
    expect(alike(NaN, NaN)).toBe(true);
    expect(alike(NaN, 1)).toBe(false);
    expect(alike(Float32Array.of(1, 2), [1, 2])).toBe(true);
    expect(alike([1, [2, 3]], [1, [2, 3]])).toBe(true);
    expect(alike([1, 2], [1, 2, 3])).toBe(false);
    expect(alike({a: 1}, {a: 1})).toBe(true);
    expect(alike({a: 1, b: 2}, {a: 1})).toBe(false);
    expect(alike({0: 1, length: 1}, [1])).toBe(false);
    expect(alike('1', 1)).toBe(false);
    expect(alike(null, {})).toBe(false);
  });
});
