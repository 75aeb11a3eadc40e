import {mkdirSync, readdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {beforeAll, describe, expect, it} from 'vitest';
import {courseBank, inReadingOrder, loadBank} from '#lib/quiz/bank.js';
import type {ChoiceQuestion} from '#lib/quiz/question.js';
import {parseBank} from '#lib/quiz/parse.js';
import {temporaryFolder} from '../helpers/folders';

const sound = `# A bank

Some words for people.

## first-one

- kind: choice
- mode: practice
- title: The first
- notebooks: 14-practice

What is it,
and why?

### Options

- [ ] A. This
  - Mistake: It is not this.
- [x] B. That,
  on two lines
- [ ] C. \`code\`
  - Mistake: Nor is it
    code.

### Solution

1. Look.
2. See.

### Quick check

Look twice.

### Read again

Page one.
`;

/** The problems of a bank, as \`line: message\`. */
function problems(text: string): string[] {
  return parseBank(text, 'x.md').problems.map(({line, message}) => `${line}: ${message}`);
}

function lineOf(text: string, part: string): number {
  return text.slice(0, text.indexOf(part)).split('\n').length;
}

describe('a bank', () => {
  it('reads every part of a sound question', () => {
    const parsed = parseBank(sound, 'x.md');
    expect(parsed.problems).toEqual([]);
    expect(parsed.questions).toEqual([
      {
        id: 'first-one',
        kind: 'choice',
        mode: 'practice',
        title: 'The first',
        notebooks: ['14-practice'],
        stem: 'What is it,\nand why?',
        file: 'x.md',
        line: 5,
        solution: ['Look.', 'See.'],
        quickCheck: 'Look twice.',
        readAgain: 'Page one.',
        options: [
          {letter: 'A', text: 'This', right: false, mistake: 'It is not this.'},
          {letter: 'B', text: 'That,\non two lines', right: true, mistake: null},
          {letter: 'C', text: '`code`', right: false, mistake: 'Nor is it\ncode.'},
        ],
      },
    ]);
  });

  it('is the same with Windows line ends and a byte order mark', () => {
    expect(parseBank(`\uFEFF${sound.replace(/\n/g, '\r\n')}`, 'x.md')).toEqual(
      parseBank(sound, 'x.md'),
    );
  });

  it('takes no heading out of a fence for a question', () => {
    const fenced = sound.replace('and why?', 'and why?\n\n```md\n## not-a-question\n```');
    expect(parseBank(fenced, 'x.md').questions).toHaveLength(1);
    expect(problems(fenced)).toEqual([]);
  });

  const cases: [name: string, from: string | RegExp, to: string, where: string, reason: RegExp][] =
    [
      ['no right option', '[x] B', '[ ] B', '### Options', /no right option/],
      [
        'two right options',
        /- \[ \] A\. This\n {2}- Mistake: It is not this\./,
        '- [x] A. This',
        '### Options',
        /2 right options \(A, B\)/,
      ],
      ['no solution', /### Solution\n\n1\. Look\.\n2\. See\.\n/, '', '## first-one', /no solution/],
      [
        'a solution without steps',
        '1. Look.\n2. See.',
        'Look and see.',
        '### Solution',
        /has no steps/,
      ],
      [
        'no mistake',
        '\n  - Mistake: It is not this.',
        '',
        '- [ ] A. This',
        /wrong option A .* no mistake/,
      ],
      [
        'two mistakes',
        '  - Mistake: It is not this.',
        '  - Mistake: One.\n  - Mistake: Two.',
        '- [ ] A. This',
        /2 mistakes/,
      ],
      [
        'a mistake behind the right option',
        '  on two lines',
        '  on two lines\n  - Mistake: None.',
        '  - Mistake: None.',
        /is right, so it cannot have a mistake/,
      ],
      ['a letter gap', '[ ] C.', '[ ] D.', '- [ ] D.', /option D .* where C should be/],
      ['a doubled letter', '[ ] C.', '[ ] B.', '- [ ] B.', /option B .* where C should be/],
      ['no options', /### Options[^#]*/, '', '## first-one', /has no options/],
      ['one option', /- \[x\] B[^#]*/, '\n', '### Options', /has 1 option;/],
      ['an option that is none', '- [x] B. That', '- [x] That', '- [x] That', /is not an option/],
      [
        'an unknown kind',
        'kind: choice',
        'kind: essay',
        '- kind: essay',
        /unknown kind "essay" .*'choice', 'numeric' or 'code'/,
      ],
      [
        'a kind of a name that every object has',
        'kind: choice',
        'kind: constructor',
        '- kind: constructor',
        /unknown kind/,
      ],
      ['no kind', '- kind: choice\n', '', '## first-one', /has no kind/],
      ['an unknown mode', 'mode: practice', 'mode: exam', '- mode: exam', /unknown mode "exam"/],
      ['no mode', '- mode: practice\n', '', '## first-one', /has no mode/],
      ['no title', '- title: The first\n', '', '## first-one', /no title/],
      ['no notebook', '- notebooks: 14-practice\n', '', '## first-one', /is in no notebook/],
      [
        'a setting twice',
        '- mode: practice',
        '- mode: practice\n- mode: assessed',
        '- mode: assessed',
        /sets 'mode' twice/,
      ],
      [
        'an unknown setting',
        '- mode: practice',
        '- mode: practice\n- points: 3',
        '- points: 3',
        /unknown setting 'points'/,
      ],
      [
        'an unknown section',
        '### Quick check',
        '### Hints\n\nNo.\n\n### Quick check',
        '### Hints',
        /unknown section "Hints"/,
      ],
      [
        'a section twice',
        '### Read again',
        '### Quick check\n\nNo.\n\n### Read again',
        '### Quick check\n\nNo',
        /two sections 'Quick check'/,
      ],
      [
        'an empty section',
        'Page one.\n',
        '',
        '### Read again',
        /'Read again' of 'first-one' is empty/,
      ],
      ['no stem', 'What is it,\nand why?\n', '', '## first-one', /no stem/],
      ['an id with a space', '## first-one', '## First one', '## First one', /is not an id/],
    ];
  it.each(cases)('is refused for %s, with its line', (_, from, to, where, reason) => {
    const broken = sound.replace(from, to);
    expect(broken).not.toBe(sound);
    const found = problems(broken).filter((problem) => reason.test(problem));
    expect(found.map((problem) => Number.parseInt(problem, 10))).toEqual([lineOf(broken, where)]);
    // A second one may follow from the first (an option that is no longer right lacks its mistake),
    // more may not.
    expect(problems(broken).length).toBeLessThanOrEqual(2);
    expect(parseBank(broken, 'x.md').questions).toEqual([]);
  });

  it('that holds nothing is refused', () => {
    expect(problems('Just words.\n')).toEqual([
      '1: has no question; a question begins with a heading `## its-id`',
    ]);
  });

  it('checks the parts of a code question', () => {
    const code = sound
      .replace('kind: choice', 'kind: code\n- function: twice')
      .replace(
        /### Options[^#]*/,
        '### Tests\n\n| test | call | expected |\n|---|---|---|\n| one | `twice(1)` | `2` |\n\n### Reference\n\n```ts\nconst twice = (x: number) => 2 * x;\n```\n\n',
      );
    expect(problems(code)).toEqual([]);
    expect(parseBank(code, 'x.md').questions[0]).toMatchObject({
      kind: 'code',
      functionName: 'twice',
      tests: [{name: 'one', call: 'twice(1)', expected: '2'}],
      reference: 'const twice = (x: number) => 2 * x;\n',
    });
    expect(problems(code.replace('\n- function: twice', ''))[0]).toMatch(/names no function/);
    expect(problems(code.replace('twice(1)', 'double(1)'))[0]).toMatch(/never calls twice/);
    expect(problems(code.replace('```ts', '```js'))[0]).toMatch(/no reference/);
    expect(problems(code.replace(/\| one.*\n/, ''))[0]).toMatch(/no visible tests/);
  });
});

describe('banks in a folder', () => {
  let folder: string;
  beforeAll(() => {
    folder = temporaryFolder('bank');
  });
  const write = (name: string, files: Record<string, string>): string => {
    mkdirSync(join(folder, name));
    for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, name, file), text);
    return join(folder, name);
  };

  it('tell all their errors at once, sorted, each with file and line', () => {
    const path = write('bad', {
      'b.md': sound.replace('[x] B', '[ ] B'),
      'a.md': `${sound}\n${sound}`,
      'c.md': sound.replace('kind: choice', 'kind: x'),
    });
    expect(() => loadBank(path, 'quizzes')).toThrow(expect.objectContaining({code: 'BAD_BANK'}));
    let message = '';
    try {
      loadBank(path, 'quizzes');
    } catch (error) {
      message = (error as Error).message;
    }
    const lines = message.split('\n');
    expect(lines[0]).toBe('6 errors in the question banks:');
    expect(lines.slice(1).map((line) => line.split(': ')[0])).toEqual([
      'quizzes/a.md:42',
      'quizzes/b.md:5',
      'quizzes/b.md:15',
      'quizzes/b.md:19',
      'quizzes/c.md:5',
      'quizzes/c.md:7',
    ]);
    expect(lines[1]).toContain(
      "the id 'first-one' is already used by the question at quizzes/a.md:5",
    );
  });

  it('are Markdown files, README aside; a folder without any is an error', () => {
    const path = write('good', {'a.md': sound, 'README.md': 'Not a bank.', 'notes.txt': '## no'});
    expect(loadBank(path).ids).toEqual(['first-one']);
    expect(() => loadBank(join(folder, 'nowhere'))).toThrow(/No question bank/);
  });
});

describe("the course's bank", () => {
  const practice = [
    'which-split',
    'data-parallel-setup',
    'ninety-samples',
    'idle-workers',
    'too-large-model',
  ];
  const rightOf = (id: string): string =>
    (courseBank().find(id) as ChoiceQuestion).options
      .filter(({right}) => right)
      .map(({letter}) => letter)
      .join('');

  it('has the five practice questions with the key A D B A C, four options each, in notebook 14', () => {
    expect(practice.map(rightOf).join('')).toBe('ADBAC');
    expect(
      courseBank()
        .in('14-practice')
        .map(({id}) => id),
    ).toEqual(practice);
    for (const id of practice)
      expect((courseBank().find(id) as ChoiceQuestion).options).toHaveLength(4);
  });

  it('lists its notebooks in reading order', () => {
    const stored = readdirSync(join(__dirname, '../../notebooks'))
      .filter((file) => file.endsWith('.ipynb'))
      .sort();
    expect(courseBank().notebooks.map((name) => `${name}.ipynb`)).toEqual(stored);
    expect(['14-practice', '2-two', '10-ten'].sort(inReadingOrder)).toEqual([
      '2-two',
      '10-ten',
      '14-practice',
    ]);
  });

  it('says what is true of the five questions', () => {
    const text = (id: string): string =>
      JSON.stringify(courseBank().find(id)).replace(/\\n\s*/g, ' ');
    expect(text('which-split')).toContain('split by layers');
    expect(text('ninety-samples')).toContain('split by layers');
    expect(text('idle-workers')).toMatch(/bubble/);
    expect(courseBank().find('idle-workers')!.stem.replace(/\n/g, ' ')).toMatch(
      /far more .* than the schedule predicts/,
    );
    expect(text('too-large-model')).toMatch(/FSDP .*avoids the full copy/);
    expect(courseBank().find('too-large-model')!.stem.replace(/\n/g, ' ')).toMatch(
      /weights, gradients and optimizer state alone/,
    );
    expect((courseBank().find('too-large-model') as ChoiceQuestion).options[0]!.text).toMatch(
      /^Plain data parallelism: a full copy/,
    );
  });
});
