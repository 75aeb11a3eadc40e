import {execFileSync} from 'node:child_process';
import {mkdirSync, readFileSync, symlinkSync, truncateSync} from 'node:fs';
import {join} from 'node:path';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import {answerCell, codes, gradeOne, practice, Submissions} from './submissions.js';

const text = JSON.stringify(practice());
let submissions: Submissions;
beforeEach(() => {
  submissions = new Submissions();
});
afterEach(() => submissions.remove());

describe('a file that is no notebook', () => {
  it.each<[name: string, content: string | Uint8Array, code: string, message: RegExp]>([
    ['empty', '', 'not-json', /this file is empty/],
    ['cut off', text.slice(0, text.length >> 1), 'not-json', /cut off, or something else/],
    ['a PDF', '%PDF-1.7', 'not-json', /cut off, or something else/],
    [
      'bytes that are no text',
      Uint8Array.of(0x7b, 0xc3, 0x28),
      'not-json',
      /cut off, or something else/,
    ],
    ['JSON of something else', '{"answers": ["A"]}', 'not-a-notebook', /it has no cells/],
    ['a JSON list', '[]', 'not-a-notebook', /an object with cells/],
    ['JSON null', 'null', 'not-a-notebook', /an object with cells/],
    [
      'a notebook of format 3',
      '{"nbformat": 3, "worksheets": [{"cells": []}], "metadata": {}}',
      'old-format',
      /old format 3; open it in JupyterLab/,
    ],
    [
      'lists nested too deeply',
      `{"cells": ${'['.repeat(200_000)}${']'.repeat(200_000)}}`,
      'not-of-this-course',
      /holds none of its questions/,
    ],
  ])('%s', (_, content, code, message) => {
    const result = gradeOne(content);
    expect(result).toMatchObject({
      learner: 'ana',
      files: ['ana/x.ipynb'],
      score: 0,
      max: 0,
      questions: [],
    });
    expect(result.problems).toEqual([
      {code, file: 'ana/x.ipynb', cell: null, message: expect.stringMatching(message)},
    ]);
  });

  it('too large to read', () => {
    submissions.put('ana/x.ipynb', practice());
    truncateSync(join(submissions.path, 'ana/x.ipynb'), 65 * 2 ** 20);
    expect(submissions.grade().get('ana')!.problems).toMatchObject([
      {code: 'too-large', message: expect.stringContaining('65 MiB, more than the 64 MiB')},
    ]);
  });

  it('a cell nested too deeply for the parser, which costs that cell alone', () => {
    const notebook = practice();
    answerCell(notebook, 'idle-workers').source = `answer('idle-workers', ${'('.repeat(90_000)}`;
    const result = gradeOne(notebook);
    expect(result).toMatchObject({score: 4, max: 5});
    expect(codes(result)).toEqual(['edited']);
  });
});

describe('a notebook in another encoding', () => {
  it.each<[string, Uint8Array]>([
    ['UTF-8 with a byte order mark', Buffer.from(`\uFEFF${text}`)],
    ['UTF-16, little end first', Buffer.from(`\uFEFF${text}`, 'utf16le')],
    ['UTF-16, big end first', Buffer.from(`\uFEFF${text}`, 'utf16le').swap16()],
  ])('%s', (_, bytes) => {
    expect(gradeOne(bytes)).toMatchObject({score: 5, max: 5, problems: []});
  });
});

describe('a folder of submissions', () => {
  it('holds learners as folders and as notebooks, of any name; every one is graded', () => {
    submissions
      .put('Åsa Öberg/one.ipynb', practice('ADBAC'))
      .put('Lovelace, Ada.ipynb', practice('ADBAB'))
      .put('"quoted" & <b>.ipynb', practice('BBBBB'))
      .put('broken/x.ipynb', text.slice(0, 500))
      .put('eve.txt', 'A D B A C')
      .put('dir.ipynb/x.ipynb', practice('     '));
    mkdirSync(join(submissions.path, 'empty'));
    const found = submissions.grade();
    expect(
      [...found.values()].map(({learner, score, max, problems}) => [
        learner,
        score,
        max,
        problems.map(({code}) => code).join(),
      ]),
    ).toEqual(
      expect.arrayContaining([
        ['Åsa Öberg', 5, 5, ''],
        ['Lovelace, Ada', 4, 5, ''],
        ['"quoted" & <b>', 1, 5, ''],
        ['broken', 0, 0, 'not-json'],
        ['eve', 0, 0, 'not-a-notebook'],
        ['empty', 0, 0, 'no-notebook'],
        ['dir.ipynb', 0, 5, ''],
      ]),
    );
    expect(found.size).toBe(7);
  });

  it('passes over what editors and systems leave there', () => {
    submissions
      .put('ana/x.ipynb', practice())
      .put('ana/.ipynb_checkpoints/x-checkpoint.ipynb', practice('BBBBB'))
      .put('.DS_Store', '')
      .put('__MACOSX/ana/._x.ipynb', '')
      .put('ana/.git/a.ipynb', practice('B    '))
      .put('ana/answers/which-split.json', '{"answer": "B"}');
    const found = submissions.grade();
    expect([...found.keys()]).toEqual(['ana']);
    expect(found.get('ana')).toMatchObject({score: 5, files: ['ana/x.ipynb'], problems: []});
  });

  it('says what lies there in place of a notebook', () => {
    submissions
      .put('ana/notes.txt', 'A')
      .put('ana/photo.png', 'B')
      .put('bo/14.ipynb.txt', practice())
      .put('cy/deep/answers.docx', '');
    const found = submissions.grade();
    expect(found.get('ana')!.problems).toMatchObject([
      {
        code: 'no-notebook',
        message: 'no notebook (.ipynb) among the files handed in: notes.txt, photo.png',
      },
    ]);
    expect(found.get('bo')!.problems).toMatchObject([
      {
        code: 'not-a-notebook',
        file: 'bo/14.ipynb.txt',
        message: expect.stringContaining('does not end in .ipynb'),
      },
    ]);
    expect(found.get('cy')!.problems).toMatchObject([
      {
        code: 'no-notebook',
        message: 'no notebook (.ipynb) among the files handed in: answers.docx',
      },
    ]);
  });

  it('takes a name with accents composed in two ways for one learner', () => {
    submissions
      .put(`${'Zoë'.normalize('NFC')}/a.ipynb`, practice())
      .put(`${'Zoë'.normalize('NFD')}.ipynb`, practice());
    const found = submissions.grade();
    expect([...found.keys()]).toEqual(['Zoë'.normalize('NFC')]);
    expect(codes(found.get('Zoë'.normalize('NFC'))!)).toEqual(['same-notebook-twice']);
  });

  it('follows no link: neither in circles nor out of the submissions', () => {
    submissions.put('ana/x.ipynb', practice());
    symlinkSync('..', join(submissions.path, 'ana/loop'));
    symlinkSync('/etc/hostname', join(submissions.path, 'ana/out.ipynb'));
    symlinkSync('nowhere', join(submissions.path, 'ana/dangling.ipynb'));
    const result = submissions.grade().get('ana')!;
    expect(result).toMatchObject({score: 5, max: 5, files: ['ana/x.ipynb']});
    expect(result.problems.map(({code, file}) => [code, file])).toEqual([
      ['link', 'ana/dangling.ipynb'],
      ['link', 'ana/loop'],
      ['link', 'ana/out.ipynb'],
    ]);
  });

  it('does not wait at a named pipe', () => {
    submissions.put('ana/x.ipynb', practice());
    execFileSync('mkfifo', [join(submissions.path, 'ana/pipe.ipynb')]);
    const result = submissions.grade().get('ana')!;
    expect(result.score).toBe(5);
    expect(codes(result)).toEqual(['not-a-file']);
  });

  it('names a file whose name is not UTF-8', () => {
    submissions.put('ana/x.ipynb', practice());
    execFileSync('sh', ['-c', `cp x.ipynb "$(printf 'M\\374ller.ipynb')"`], {
      cwd: join(submissions.path, 'ana'),
    });
    const result = submissions.grade().get('ana')!;
    expect(result.score).toBe(5);
    expect(codes(result)).toEqual(['bad-name']);
  });

  it('looks into folders, but not without end', () => {
    submissions
      .put(`ana/${'d/'.repeat(5)}x.ipynb`, practice())
      .put(`bo/${'d/'.repeat(40)}x.ipynb`, practice());
    const found = submissions.grade();
    expect(found.get('ana')).toMatchObject({score: 5});
    expect(found.get('bo')!.problems).toMatchObject([
      {code: 'too-many', message: expect.stringContaining('8 deep')},
    ]);
  });

  it('changes nothing that was handed in', () => {
    submissions.put('ana/x.ipynb', practice('ABCDA'));
    const before = readFileSync(join(submissions.path, 'ana/x.ipynb'), 'utf8');
    submissions.grade();
    expect(readFileSync(join(submissions.path, 'ana/x.ipynb'), 'utf8')).toBe(before);
  });
});
