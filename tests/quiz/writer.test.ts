import {cpSync, mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {Writable} from 'node:stream';
import {beforeEach, describe, expect, it} from 'vitest';
import {courseBank} from '#lib/quiz/bank.js';
import {courseCells, courseNameOf, parseNotebook, withSources} from '#scripts/notebookFile.js';
import {main} from '#scripts/quizzes.js';
import {questionCell} from '#scripts/quizzes/questionCell.js';
import {temporaryFolder} from '../helpers/folders';

const course = join(__dirname, '../..');
const text = readFileSync(join(course, 'notebooks/14-practice.ipynb'), 'utf8');
let folder: string;
beforeEach(() => {
  folder = temporaryFolder('writer');
  // One notebook of its own: other notebooks may repeat its questions.
  mkdirSync(join(folder, 'bank'));
  const bank = readFileSync(join(course, 'quizzes/practice.md'), 'utf8').replace(
    /^- notebooks: .*$/gm,
    '- notebooks: 14-practice',
  );
  writeFileSync(join(folder, 'bank/practice.md'), bank);
  cpSync(join(course, 'notebooks/14-practice.ipynb'), join(folder, 'notebooks/14-practice.ipynb'));
});

/** A stream that keeps what is written to it. */
function sink(): {stream: Writable; text: () => string} {
  const chunks: Buffer[] = [];
  const write = (chunk: Buffer, _: string, done: () => void): void => {
    chunks.push(chunk);
    done();
  };
  return {stream: new Writable({write}), text: () => Buffer.concat(chunks).toString()};
}

async function command(...args: string[]): Promise<{code: number; out: string; err: string}> {
  const [out, err] = [sink(), sink()];
  const code = await main(args, {stdout: out.stream, stderr: err.stream});
  return {code, out: out.text(), err: err.text()};
}

const run = (...args: string[]) =>
  command('--bank', join(folder, 'bank'), '--notebooks', join(folder, 'notebooks'), ...args);
const edit = (file: string, from: string, to: string): void => {
  const path = join(folder, file);
  const before = readFileSync(path, 'utf8');
  expect(before).toContain(from);
  writeFileSync(path, before.replace(from, to));
};

describe('npm run quizzes', () => {
  it('leaves a notebook that agrees alone, to the byte', async () => {
    expect(await run()).toEqual({
      code: 0,
      out: '5 questions in 1 notebooks agree with the banks.\n',
      err: '',
    });
    expect(readFileSync(join(folder, 'notebooks/14-practice.ipynb'), 'utf8')).toBe(text);
    expect((await run('--check')).code).toBe(0);
  });

  it('--check names notebook, cell and difference; without it, the cell is written and nothing else', async () => {
    edit('bank/practice.md', 'What does each of them do?', 'What does "each" of\nthem do? \u00e9');
    const checked = await run('--check');
    expect(checked.code).toBe(1);
    expect(checked.err).toMatch(
      /^14-practice\.ipynb, cell 9 \('data-parallel-setup'\), line 3: the bank has "You train .* \\"each\\" of", the cell has "You train .* each of them do\?"\n$/,
    );
    expect(readFileSync(join(folder, 'notebooks/14-practice.ipynb'), 'utf8')).toBe(text);
    expect(await run()).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^wrote 'data-parallel-setup' into 14-practice\.ipynb, cell 9\n/),
    });
    const written = readFileSync(join(folder, 'notebooks/14-practice.ipynb'), 'utf8');
    expect((await run('--check')).code).toBe(0);
    edit('bank/practice.md', 'What does "each" of\nthem do? \u00e9', 'What does each of them do?');
    expect((await run()).code).toBe(0);
    expect(readFileSync(join(folder, 'notebooks/14-practice.ipynb'), 'utf8')).toBe(text);
    // Only lines of that one cell differ.
    const [old, now] = [text.split('\n'), written.split('\n')];
    const first = old.findIndex((line, at) => line !== now[at]);
    expect(now.length - old.length).toBe(1);
    expect(now.slice(first + 2)).toEqual(old.slice(first + 1));
  });

  it.each<[string, string, string, RegExp]>([
    [
      'a lost answer cell',
      '"answer": "idle-workers"',
      '"answer": "which-split"',
      /0 cells have the metadata "many_hands": \{"answer": "idle-workers"\}/,
    ],
    [
      'a doubled question cell',
      '"question": "idle-workers"',
      '"question": "which-split"',
      /2 cells have the metadata "many_hands": \{"question": "which-split"\}/,
    ],
    [
      'an unknown id',
      '"question": "idle-workers"',
      '"question": "idle-worker"',
      /cell 15: no bank has a question 'idle-worker'; the nearest is 'idle-workers'/,
    ],
    [
      'a key that was left in',
      "answer('too-large-model', '')",
      "answer('too-large-model', 'C')",
      /cell 19: the answer cell of 'too-large-model' should be answer\('too-large-model', ''\), left for the learner/,
    ],
    [
      'a notebook without its name',
      '"notebook": "14-practice"',
      '"notebook": "14"',
      /no notebook has .*"14-practice"/,
    ],
  ])('says what a person must mend: %s', async (_, from, to, sentence) => {
    edit('notebooks/14-practice.ipynb', from, to);
    for (const args of [[], ['--check']]) {
      const {code, err} = await run(...args);
      expect(code).toBe(1);
      expect(err).toMatch(sentence);
    }
  });

  it('ends with 2 for wrong use, a bank with errors, a notebook that is none', async () => {
    expect((await run('--chek')).code).toBe(2);
    edit('bank/practice.md', '- [x] B. All 90', '- [ ] B. All 90');
    expect(await run('--check')).toMatchObject({
      code: 2,
      err: expect.stringMatching(
        /^2 errors in the question banks:\nbank\/practice\.md:\d+: 'ninety-samples' has no right option/,
      ),
    });
    edit('bank/practice.md', '- [ ] B. All 90', '- [x] B. All 90');
    writeFileSync(join(folder, 'notebooks/x.ipynb'), '{"cells": 3}');
    expect(await run('--check')).toMatchObject({
      code: 2,
      err: `${join(folder, 'notebooks/x.ipynb')} cannot be read as a notebook: this is JSON, but no notebook: it has no cells.\n`,
    });
  });
});

describe('a question cell', () => {
  it('holds the stem and every option, and gives nothing away', () => {
    for (const question of courseBank().questions) {
      const cell = questionCell(question);
      expect(cell).toContain(question.stem);
      if (question.kind !== 'choice') continue;
      for (const {letter, text: option, mistake} of question.options) {
        expect(cell.replace(/\n {2}/g, '\n')).toContain(`- **${letter}.** ${option}`);
        if (mistake) expect(cell).not.toContain(mistake);
      }
      expect(cell).not.toMatch(/\[x\]|Mistake|\bright\b.*\boption\b/);
      // All options look alike: the right one is not marked by its form.
      expect(
        new Set(
          cell
            .split('\n')
            .filter((line) => line.startsWith('- **'))
            .map((line) => line.replace(/[A-Z]/, '?').slice(0, 9)),
        ).size,
      ).toBe(1);
    }
  });
});

/** The name and the sources of a notebook's text. */
function read(odd: string): [string | null, string[]] {
  const found = parseNotebook(odd);
  if ('unreadable' in found) throw new Error(found.unreadable.message);
  return [courseNameOf(found.notebook), courseCells(found.notebook).map(({source}) => source)];
}

describe('a stored notebook', () => {
  it('keeps every byte around a source that is replaced, however it is formatted', () => {
    const odd =
      '{"cells":[{"source":"a","cell_type":"markdown","metadata":{}},\n\t{"cell_type": "code", "metadata": {},\n\t "source": [ "x\\n", "y" ] , "outputs": []}],"metadata":{"n":1.0,"many_hands":{"notebook":"n"}},"nbformat":4}';
    const [name, sources] = read(odd);
    expect([name, sources]).toEqual(['n', ['a', 'x\ny']]);
    const changed = withSources(odd, [
      {number: 1, source: 'one\ntwo'},
      {number: 2, source: ''},
    ]);
    expect(read(changed)[1]).toEqual(['one\ntwo', '']);
    expect(changed).toContain('"n":1.0');
    expect(
      changed.startsWith('{"cells":[{"source":[\n "one\\n",\n "two"\n],"cell_type":"markdown"'),
    ).toBe(true);
    expect(
      changed.endsWith(
        '\t "source": [] , "outputs": []}],"metadata":{"n":1.0,"many_hands":{"notebook":"n"}},"nbformat":4}',
      ),
    ).toBe(true);
  });
});

it('the notebooks of the course agree with its banks', async () => {
  const {code, out, err} = await command('--check');
  expect([code, err]).toEqual([0, '']);
  expect(out).toMatch(/^\d+ questions in \d+ notebooks agree with the banks\.\n$/);
});
