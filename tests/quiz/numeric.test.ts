import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import {outcome} from '#lib/quiz/answer.js';
import {courseBank} from '#lib/quiz/bank.js';
import type {NumericQuestion} from '#lib/quiz/question.js';
import {judge} from '#lib/quiz/judge.js';
import {parseBank} from '#lib/quiz/parse.js';
import {questionCell} from '#scripts/quizzes/questionCell.js';
import {gradeLearner} from '#scripts/grade/gradeLearner.js';
import {answerCalls} from '#scripts/grade/answerCalls.js';
import {enterCourse} from './course.js';

let course: ReturnType<typeof enterCourse>;
beforeEach(() => {
  course = enterCourse();
});
afterEach(() => course.leave());

const bank = (settings: string, turns = '- 1: You forgot three of them.') =>
  parseBank(
    `## how-many

- kind: numeric
- mode: practice
- title: How many
- notebooks: 02-where-memory-goes
${settings}

How many?

### Wrong turns

${turns}

### Solution

1. Count.

### Quick check

Count again.

### Read again

The section.
`,
    'q.md',
  );

const adam = courseBank().find('adam-state') as NumericQuestion;

describe('a numeric question', () => {
  it('is read with value, unit, tolerance and wrong turns', () => {
    expect(bank('- value: 1,234.5\n- unit: MB\n- tolerance: 2 %').questions[0]).toMatchObject({
      kind: 'numeric',
      value: 1234.5,
      unit: 'MB',
      tolerance: 0.02,
      relative: true,
      wrongTurns: [{value: 1, mistake: 'You forgot three of them.'}],
    });
    expect(bank('- value: 4\n- unit: none\n- tolerance: 0').questions[0]).toMatchObject({
      unit: '',
      tolerance: 0,
      relative: false,
    });
  });

  it.each([
    ['- unit: GB\n- tolerance: 1 %', undefined, /has no value/],
    ['- value: four\n- unit: GB\n- tolerance: 1 %', undefined, /has no value/],
    ['- value: 4\n- tolerance: 1 %', undefined, /has no unit/],
    ['- value: 4\n- unit: GB', undefined, /has no tolerance/],
    ['- value: 4\n- unit: GB\n- tolerance: 1 %', '- nothing', /is not a wrong turn/],
    ['- value: 4\n- unit: GB\n- tolerance: 1 %', '- 4: It is right.', /is the right value/],
    ['- value: 4\n- unit: GB\n- tolerance: 1 %', 'words', /has no wrong turns/],
  ])('%j is no question', (settings, turns, message) => {
    expect(
      bank(settings, turns)
        .problems.map((one) => one.message)
        .join('\n'),
    ).toMatch(message);
  });

  it.each([
    [[4, 'GB'], 'right', '4 GB'],
    [[4.07, 'GB'], 'right', '4.07 GB'],
    [[4], 'right', '4 GB'],
    [['4', 'GB'], 'right', '4 GB'],
    [[4000, 'MB'], 'right', '4,000 MB'],
    [[3.7252902984619, 'GiB'], 'right', '3.73 GiB'],
    [[4.2, 'GB'], 'wrong', '4.2 GB'],
    [[-4, 'GB'], 'wrong', '-4 GB'],
    [[null, 'GB'], 'unanswered', null],
    [['', 'GB'], 'unanswered', null],
    [[undefined], 'unanswered', null],
    [['four', 'GB'], 'unreadable', null],
    [[NaN, 'GB'], 'unreadable', null],
    [[Infinity, 'GB'], 'unreadable', null],
    [[4, 'seconds'], 'unreadable', null],
    [[4, 7], 'unreadable', null],
    [[['4'], 'GB'], 'unreadable', null],
  ] as Array<[[unknown, unknown?], string, string | null]>)(
    'judges %j',
    ([value, unit], status, given) => {
      expect(judge(adam, value, unit)).toMatchObject({status, answer: given});
    },
  );

  it('names the wrong turn behind a common wrong number, in any unit, and a slip of thousands', () => {
    for (const {value, mistake} of adam.wrongTurns)
      expect(judge(adam, value, 'GB')).toMatchObject({status: 'wrong', mistake});
    expect(judge(adam, 2000, 'MB').mistake).toMatch(/as with plain SGD/);
    expect(judge(adam, 4000, 'GB').mistake).toMatch(/1,000 times too much: look at the unit, GB/);
    expect(judge(adam, 4e-6, 'GB').mistake).toMatch(/1,000,000 times too little/);
    expect(judge(adam, 17, 'GB').mistake).toBeNull();
    // No two turns of a question are the same number within its tolerance, nor its value.
    for (const question of courseBank().questions) {
      if (question.kind !== 'numeric') continue;
      for (const turn of question.wrongTurns)
        expect(judge(question, turn.value).mistake, `${question.id}, ${turn.value}`).toBe(
          turn.mistake,
        );
    }
  });

  it('shows the outcome in its cell, and keeps the answer', () => {
    expect(outcome(courseBank(), 'adam-state', 4, 'GB').text).toMatch(/^✓ Right: 4 GB\./);
    const wrong = outcome(courseBank(), 'adam-state', 1, 'GB').text;
    expect(wrong).toMatch(
      /^✗ Not right: 1 GB\.\nThe mistake behind it\n {2}Those are the weights alone/,
    );
    expect(
      JSON.parse(readFileSync(join(course.root, 'answers', 'adam-state.json'), 'utf8')),
    ).toEqual({id: 'adam-state', answer: '1 GB'});
    expect(outcome(courseBank(), 'fsdp-traffic', 1, 'GB').text).toBe('○ recorded: 1 GB');
    expect(outcome(courseBank(), 'adam-state', null, 'GB').text).toBe(
      '○ not answered yet: write a number in place of null, in GB.',
    );
    expect(outcome(courseBank(), 'adam-state', 'A').text).toMatch(
      /^! "A".* is not a number: write a number without quotes, and its unit as it stands: 'GB'\. Nothing was recorded\.$/,
    );
  });

  it('asks in its cell without a word of the key', () => {
    expect(questionCell(adam)).toMatch(
      /Write your number in place of `null` below, in GB, then run the cell\.$/,
    );
    expect(questionCell(adam)).not.toContain('4 GB');
  });
});

describe('the grader', () => {
  const notebook = (source: string) => ({
    nbformat: 4,
    nbformat_minor: 5,
    metadata: {many_hands: {notebook: '02-where-memory-goes'}},
    cells: [
      {
        cell_type: 'code',
        id: 'a',
        metadata: {many_hands: {answer: 'adam-state'}},
        source,
        outputs: [],
        execution_count: null,
      },
    ],
  });
  const grade = async (source: string) => {
    const {mkdtempSync, writeFileSync} = await import('node:fs');
    const path = join(mkdtempSync(join(course.root, 'hand-in-')), '02.ipynb');
    writeFileSync(path, JSON.stringify(notebook(source)));
    const result = gradeLearner(courseBank(), {
      learner: 'ana',
      notebooks: [{path, file: '02.ipynb'}],
      problems: [],
    });
    return result.questions.find(({id}) => id === 'adam-state')!;
  };

  it.each([
    [
      "answer('adam-state', 4, 'GB')",
      {status: 'right', points: 1, answer: '4 GB', kind: 'numeric'},
    ],
    ["answer('adam-state', 4_000, 'MB')", {status: 'right', points: 1, answer: '4,000 MB'}],
    ["answer('adam-state', 1, 'GB')", {status: 'wrong', points: 0, answer: '1 GB'}],
    ["answer('adam-state', null, 'GB')", {status: 'unanswered', points: 0, answer: null}],
    ["answer('adam-state', 2 + 2, 'GB')", {status: 'edited', points: 0}],
    ["answer('adam-state', 4, unit)", {status: 'edited', points: 0}],
  ])('reads %j', async (source, expected) => {
    expect(await grade(source)).toMatchObject(expected);
  });

  it('reads a number with its unit without running anything', () => {
    expect(answerCalls("answer('x', -1.5e3, 'MB')").calls).toEqual([
      {id: 'x', value: -1500, unit: 'MB', unreadable: null},
    ]);
  });
});
