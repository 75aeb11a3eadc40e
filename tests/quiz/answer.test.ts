import {execFileSync} from 'node:child_process';
import {existsSync, readdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join, resolve} from 'node:path';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import {outcome} from '#lib/quiz/answer.js';
import {courseBank} from '#lib/quiz/bank.js';
import type {ChoiceQuestion} from '#lib/quiz/question.js';
import {judgeChoice} from '#lib/quiz/judge.js';
import {nearest} from '#lib/base/nearest.js';
import {courseFolder} from '#lib/base/courseFolder.js';
import {enterCourse} from './course.js';

let course: ReturnType<typeof enterCourse>;
beforeEach(() => {
  course = enterCourse();
});
afterEach(() => course.leave());

const question = (id: string): ChoiceQuestion => courseBank().find(id) as ChoiceQuestion;
const said = (id: unknown, value?: unknown): string => outcome(courseBank(), id, value).text;
const kept = (id: string): unknown =>
  JSON.parse(readFileSync(join(course.root, 'answers', `${id}.json`), 'utf8'));

describe('answer', () => {
  it('says right, with the steps and the quick check open', () => {
    const {html, text} = outcome(courseBank(), 'which-split', 'A');
    expect(text.split('\n')[0]).toBe('✓ Right: A.');
    for (const step of question('which-split').solution)
      expect(text.replace(/\s+/g, ' ')).toContain(step.replace(/\s+/g, ' '));
    expect(text).toContain(question('which-split').quickCheck);
    expect(html).not.toContain('<details>');
    expect(html).toContain('<ol>');
  });

  it.each(['a', ' A ', 'a\n', '\tA'])('takes %j for A', (value) => {
    expect(said('which-split', value)).toMatch(/^✓ Right: A\./);
  });

  it('says wrong, with the mistake behind that letter, where to read again, and the steps to be opened', () => {
    for (const {letter, mistake, right} of question('idle-workers').options) {
      if (right) continue;
      const {html, text} = outcome(courseBank(), 'idle-workers', letter);
      const flat = text.replace(/\s+/g, ' ');
      expect(flat).toContain(`✗ Not right: ${letter}.`);
      expect(flat).toContain(mistake!.replace(/\s+/g, ' '));
      expect(flat).toContain(question('idle-workers').readAgain.replace(/\s+/g, ' '));
      expect(html.match(/<details>/g)).toHaveLength(2);
      // Only this letter's mistake, not the others'.
      for (const other of question('idle-workers').options)
        if (other.mistake && other.letter !== letter)
          expect(flat).not.toContain(other.mistake.replace(/\s+/g, ' '));
    }
  });

  it('only records where the question is assessed', () => {
    for (const letter of 'ABCD')
      expect(said('batch-and-memory', letter)).toBe(`○ recorded: ${letter}`);
    expect(kept('batch-and-memory')).toEqual({id: 'batch-and-memory', answer: 'D'});
  });

  it.each([
    [['which-split', ''], '○ not answered yet: write one letter between the quotes, A, B, C or D.'],
    [
      ['which-split', '  '],
      '○ not answered yet: write one letter between the quotes, A, B, C or D.',
    ],
    [['which-split'], '○ not answered yet: write one letter between the quotes, A, B, C or D.'],
    [
      ['which-split', 'F'],
      '! There is no option F here: write one letter between the quotes, A, B, C or D. Nothing was recorded.',
    ],
    [
      ['which-split', 'AB'],
      '! "AB" names 2 options, but exactly one is right: write one letter between the quotes, A, B, C or D. Nothing was recorded.',
    ],
    [
      ['which-split', 'a, b'],
      '! "a, b" names 2 options, but exactly one is right: write one letter between the quotes, A, B, C or D. Nothing was recorded.',
    ],
    [
      ['which-split', 'because'],
      '! "because" is not one letter: write one letter between the quotes, A, B, C or D. Nothing was recorded.',
    ],
    [
      ['which-split', '1'],
      '! "1" is not one letter: write one letter between the quotes, A, B, C or D. Nothing was recorded.',
    ],
    [
      ['which-split', '\u0410'],
      '! "\u0410" is a letter of another alphabet, however it looks: write one letter between the quotes, A, B, C or D. Nothing was recorded.',
    ],
    [
      ['which-split', 1],
      '! 1 (number) is not a letter: write one letter between the quotes, A, B, C or D. Nothing was recorded.',
    ],
    [
      ['which-split', ['A']],
      '! ["A"] (array) is not a letter: write one letter between the quotes, A, B, C or D. Nothing was recorded.',
    ],
    [
      ['which-splt', 'A'],
      '! There is no question "which-splt"; did you mean \'which-split\'? Nothing was recorded.',
    ],
    [['__proto__', 'A'], /There is no question "__proto__"/],
    [
      [undefined, 'A'],
      "! answer: the first value must be a question's id between quotes, not undefined.",
    ],
    [
      ['sgd-step', 'A'],
      '! "sgd-step" is answered with code: write check(\'sgd-step\', sgdStep) with the function that you wrote.',
    ],
  ] as [unknown[], string | RegExp][])(
    'answers %j in a sentence and records nothing',
    (args, sentence) => {
      if (typeof sentence === 'string') expect(said(args[0], args[1])).toBe(sentence);
      else expect(said(args[0], args[1])).toMatch(sentence);
      expect(existsSync(join(course.root, 'answers'))).toBe(false);
    },
  );

  it('never throws, whatever it is given', () => {
    const circular: Record<string, unknown> = {};
    circular.self = circular;
    const values = [
      null,
      NaN,
      10n,
      Symbol('A'),
      circular,
      () => 'A',
      new Date(0),
      Object.create(null),
      'A'.repeat(1e5),
      '<script>',
      '\u0000',
    ];
    for (const value of values) {
      expect(typeof said('which-split', value)).toBe('string');
      expect(typeof said(value, 'A')).toBe('string');
    }
  });

  it('keeps the last answer, not a blank or a wrong form, in answers/ of the course', () => {
    said('which-split', 'B');
    said('which-split', 'c');
    said('which-split', '');
    said('which-split', 'XY');
    expect(kept('which-split')).toEqual({id: 'which-split', answer: 'C'});
    expect(readdirSync(join(course.root, 'answers'))).toEqual(['which-split.json']);
  });

  it('overwrites a spoiled file, and does without a folder that cannot be written', () => {
    said('which-split', 'B');
    writeFileSync(join(course.root, 'answers', 'which-split.json'), '{"id": "which-');
    said('which-split', 'A');
    expect(kept('which-split')).toEqual({id: 'which-split', answer: 'A'});
    // A file where the folder should be: no user may make a folder there, root neither.
    course.leave();
    course = enterCourse();
    writeFileSync(join(course.root, 'answers'), 'in the way');
    expect(said('which-split', 'A')).toMatch(/Right/);
  });

  it('writes nothing outside a course', () => {
    expect(courseFolder()).toBe(course.root);
    course.leave();
    course = enterCourse('something-else');
    expect(courseFolder()).toBe(null);
    expect(said('which-split', 'A')).toMatch(/Right/);
    expect(existsSync(join(course.root, 'answers'))).toBe(false);
  });

  it('gives back undefined and prints words where there is no kernel', () => {
    const path = resolve(__dirname, '../../build/lib/quiz/answer.js');
    const printed = execFileSync(
      process.execPath,
      [
        '-e',
        `const {answer} = require(${JSON.stringify(path)}); console.log(answer('which-split', 'A'))`,
      ],
      {encoding: 'utf8', cwd: course.root},
    );
    expect(printed).toMatch(/^✓ Right: A\.\n/);
    expect(printed.trimEnd()).toMatch(/undefined$/);
  });
});

describe('a card', () => {
  it('holds nothing that an untrusted notebook drops, and no colour', () => {
    const {html} = outcome(courseBank(), 'which-split', 'B');
    expect(html).not.toMatch(/<(script|style|svg|iframe)|var\(|color|rgb|#[0-9a-f]{3}/i);
  });

  it('escapes what the learner wrote', () => {
    expect(outcome(courseBank(), '<img src=x onerror=alert(1)>', 'A').html).not.toContain('<img');
    expect(outcome(courseBank(), 'which-split', '<b>A</b>').html).not.toContain('<b>');
  });

  it('differs by sign and by border', () => {
    const starts = ['A', 'B', '', 'F'].map(
      (value) => outcome(courseBank(), 'which-split', value).html,
    );
    expect(new Set(starts.map((html) => /border-left: ([^;]+)/.exec(html)![1])).size).toBe(4);
    expect(new Set(starts.map((html) => /<strong>(.)/.exec(html)![1])).size).toBe(4);
  });
});

describe('judgeChoice', () => {
  it('gives every letter its own option', () => {
    for (const id of ['which-split', 'puzzle', 'steps-in-an-epoch']) {
      for (const option of question(id).options) {
        const judged = judgeChoice(question(id), option.letter.toLowerCase());
        expect(judged).toMatchObject({
          answer: option.letter,
          mistake: option.mistake,
          status: option.right ? 'right' : 'wrong',
        });
      }
    }
  });
});

describe('nearest', () => {
  it('finds the id that was meant', () => {
    const {ids} = courseBank();
    expect(nearest('ninety_samples', ids)).toBe('ninety-samples');
    expect(nearest('IDLE-WORKER', ids)).toBe('idle-workers');
    expect(nearest('large-model', ids)).toBe('too-large-model');
    expect(nearest('x', [])).toBe(undefined);
  });
});
