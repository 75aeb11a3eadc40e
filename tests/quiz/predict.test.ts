import {existsSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import {outcome} from '#lib/quiz/answer.js';
import {courseBank} from '#lib/quiz/bank.js';
import {compared, predicted, predictionCard, reconcileCard} from '#lib/quiz/predict.js';
import {keep} from '#lib/quiz/store.js';
import {convert, figure} from '#lib/quiz/units.js';
import {enterCourse} from './course.js';

let course: ReturnType<typeof enterCourse>;
beforeEach(() => {
  course = enterCourse();
});
afterEach(() => course.leave());

// The kernel's own memory outlives a test: each test has ids of its own.
const says = (id: string, value?: unknown, unit?: unknown): string =>
  predictionCard(id, value, unit).text;
const sets = (id: string, measured: unknown, unit?: unknown): string =>
  reconcileCard(id, measured, unit).text;

describe('predict', () => {
  it('keeps the first number, in the kernel and in answers/', () => {
    expect(says('first', 12, 'ms')).toBe(
      '○ You predict 12 ms. It will be compared with the measured value.',
    );
    expect(says('first', 15, 'ms')).toBe(
      '○ You predicted 12 ms. The first prediction counts; to start again, delete answers/first.json and restart the kernel.',
    );
    expect(says('first', 12, 'ms')).toBe('○ You predicted 12 ms.');
    expect(predicted('first')).toEqual({value: 12, unit: 'ms'});
    expect(JSON.parse(readFileSync(join(course.root, 'answers', 'first.json'), 'utf8'))).toEqual({
      id: 'first',
      prediction: {value: 12, unit: 'ms'},
    });
  });

  it('keeps what a kernel before this one kept', () => {
    keep('from-before', {prediction: {value: 3, unit: 's'}});
    expect(says('from-before', 5, 's')).toMatch(
      /^○ You predicted 3 s\. The first prediction counts/,
    );
    expect(predicted('from-before')).toEqual({value: 3, unit: 's'});
  });

  it('takes a blank for no prediction, and keeps nothing', () => {
    for (const blank of [undefined, null, '', ' ', NaN])
      expect(says('blank', blank, 'MB')).toBe(
        '○ not predicted yet: write the number that you expect, in MB.',
      );
    expect(predicted('blank')).toBe(null);
    expect(existsSync(join(course.root, 'answers'))).toBe(false);
    says('blank', 0, 'MB');
    expect(predicted('blank')).toEqual({value: 0, unit: 'MB'});
    expect(says('blank', null, 'MB')).toBe('○ Your prediction stays: 0 MB.');
  });

  it('says what is wrong in a sentence', () => {
    expect(says('wrong', '12', 'ms')).toBe(
      '! predict(\'wrong\'): "12" (string) is not a finite number; write a number without quotes, in ms.',
    );
    expect(says('wrong', Infinity)).toMatch(
      /is not a finite number; write a number without quotes\.$/,
    );
    expect(says('wrong', 1, 5)).toMatch(/the unit 5 \(number\) is not a string/);
    expect(says('Not an id', 1)).toMatch(/is not an id/);
    expect(says('../escape', 1)).toMatch(/is not an id/);
    expect(predicted('wrong')).toBe(null);
  });

  it('shares a file with an answer of the same id', () => {
    outcome(courseBank(), 'which-split', 'B');
    says('which-split', 2, 'x');
    outcome(courseBank(), 'which-split', 'A');
    expect(
      JSON.parse(readFileSync(join(course.root, 'answers', 'which-split.json'), 'utf8')),
    ).toEqual({id: 'which-split', answer: 'A', prediction: {value: 2, unit: 'x'}});
  });
});

describe('reconcile', () => {
  it('sets the first prediction beside the measured value, in words that follow from both', () => {
    says('both', 12, 'ms');
    expect(sets('both', 30, 'ms')).toBe(
      '○ You predicted 12 ms; measured: 30 ms. That is 2.5 times your prediction.',
    );
    expect(sets('both', 4, 'ms')).toBe(
      '○ You predicted 12 ms; measured: 4 ms. That is 0.333 times your prediction, which was 3 times too large.',
    );
    expect(sets('both', 12.5, 'ms')).toBe(
      '○ You predicted 12 ms; measured: 12.5 ms. That is 1.04 times your prediction: within 10 %.',
    );
    expect(sets('both', 12, 'ms')).toBe(
      '○ You predicted 12 ms; measured: 12 ms. Exactly what you predicted.',
    );
  });

  it('turns units of one dimension into each other, and explains others', () => {
    says('units', 12, 'ms');
    expect(sets('units', 0.03, 's')).toBe(
      '○ You predicted 12 ms (0.012 s); measured: 0.03 s. That is 2.5 times your prediction.',
    );
    expect(sets('units', 3, 'MB')).toBe(
      "! You predicted 12 ms; measured: 3 MB. These two cannot be compared: 'ms' is a unit of time, 'MB' a unit of memory.",
    );
    expect(sets('units', 3, 'samples/s')).toBe(
      "! You predicted 12 ms; measured: 3 samples/s. These two cannot be compared: 'ms' and 'samples/s' cannot be converted into each other.",
    );
    says('speed', 100, 'samples/s');
    expect(sets('speed', 200, 'samples/s')).toContain('That is 2 times your prediction.');
  });

  it('has a sentence where there is nothing to compare', () => {
    expect(sets('never', 1234.5, 'ms')).toBe(
      "○ Measured: 1,230 ms. There is no prediction 'never' to compare it with.",
    );
    expect(sets('never', NaN)).toMatch(/is not a finite number, so there is nothing to compare/);
    expect(compared(0, 5)).toMatch(/differ by 5; a ratio says nothing/);
    expect(compared(-1, 2)).toMatch(/differ by 3;/);
    expect(compared(0, 0)).toBe('Exactly what you predicted.');
  });
});

describe('units', () => {
  it('convert within a dimension only', () => {
    expect(convert(1, 'GB', 'MB')).toBe(1000);
    expect(convert(1, 'MiB', 'kB')).toBeCloseTo(1048.576, 9);
    expect(convert(90, 'min', 'h')).toBe(1.5);
    expect(convert(50, '%', 'x')).toBe(0.5);
    expect(convert(1, 's', 'B')).toBe(null);
    expect(convert(1, 'constructor', 'toString')).toBe(null);
    expect(convert(7, 'frames', 'frames')).toBe(7);
  });
  it('are shown at three digits', () => {
    expect([0.012345, 4.5, 1234.5, 0, -2.346].map(figure)).toEqual([
      '0.0123',
      '4.5',
      '1,230',
      '0',
      '-2.35',
    ]);
  });
});
