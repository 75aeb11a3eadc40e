import {writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {courseBank, loadBank} from '#lib/quiz/bank.js';
import {
  brief,
  codes,
  gradeOne,
  notebookOf,
  practice,
  practiceIds,
  Submissions,
} from './submissions.js';
import {temporaryFolder} from '../helpers/folders';

const folder = temporaryFolder('bank');

/** A question whose right letter is B. */
const question = (id: string, notebooks: string): string => `## ${id}

- kind: choice
- mode: practice
- title: ${id}
- notebooks: ${notebooks}

What?

### Options

- [ ] A. No
  - Mistake: No.
- [x] B. Yes

### Solution

1. Yes.

### Quick check

Yes.

### Read again

Here.

`;
// 'both' stands in 02, 10 and 14; 'early' in 2, 02 and 10; 'late' in 14 and 15.
writeFileSync(
  join(folder, 'bank.md'),
  question('both', '02-two, 10-ten, 14-practice') +
    question('early', '2-none, 02-two, 10-ten') +
    question('only', '14-practice') +
    question('ten', '10-ten') +
    question('late', '14-practice, 15-later'),
);
const bank = loadBank(folder);
const all = (letters: Record<string, string>): string[] =>
  Object.entries(letters).map(([id, letter]) => `answer('${id}', '${letter}')`);

function gradeFiles(
  files: Record<string, ReturnType<typeof notebookOf>>,
): ReturnType<typeof gradeOne> {
  const submissions = new Submissions();
  for (const [file, notebook] of Object.entries(files)) submissions.put(`ana/${file}`, notebook);
  const result = submissions.grade(bank).get('ana')!;
  submissions.remove();
  return result;
}

describe('where a question counts', () => {
  it('is notebook 14 where it was handed in', () => {
    const two = notebookOf('02-two', all({both: 'A', early: 'B'}));
    const fourteen = notebookOf('14-practice', all({both: 'B', only: 'B', late: 'B'}));
    const result = gradeFiles({'a.ipynb': fourteen, 'b.ipynb': two});
    expect(brief(result)).toEqual([
      'both: right 1 B',
      'early: right 1 B',
      'only: right 1 B',
      'late: right 1 B',
    ]);
    expect(result).toMatchObject({score: 4, max: 4});
    expect(result.problems).toEqual([
      {
        code: 'contradiction',
        file: 'ana/b.ipynb',
        cell: null,
        message: "'both' is B in 14-practice, where it counts, and A in 02-two",
      },
    ]);
  });

  it('is notebook 14 also before one that comes after it', () => {
    const files = {
      'a.ipynb': notebookOf('14-practice', all({both: 'B', only: 'B', late: 'B'})),
      'b.ipynb': notebookOf('15-later', all({late: 'A'})),
    };
    expect(gradeFiles(files)).toMatchObject({
      score: 3,
      max: 3,
      problems: [{message: "'late' is B in 14-practice, where it counts, and A in 15-later"}],
    });
  });

  it('is its last place in reading order otherwise, whatever the files are called', () => {
    const two = notebookOf('02-two', all({both: 'A', early: 'A'}));
    const ten = notebookOf('10-ten', all({both: 'B', early: 'B', ten: 'B'}));
    for (const files of [
      {'1.ipynb': two, '2.ipynb': ten},
      {'1.ipynb': ten, '2.ipynb': two},
    ]) {
      const result = gradeFiles(files);
      expect(result).toMatchObject({score: 3, max: 3});
      expect(codes(result)).toEqual(['contradiction', 'contradiction']);
    }
  });

  it('says nothing where all places agree, or the others are blank', () => {
    const fourteen = notebookOf('14-practice', all({both: 'B', only: 'A', late: 'B'}));
    for (const letter of ['B', '']) {
      const result = gradeFiles({
        'a.ipynb': fourteen,
        'b.ipynb': notebookOf('02-two', all({both: letter, early: 'B'})),
      });
      expect(brief(result)).toEqual([
        'both: right 1 B',
        'early: right 1 B',
        'only: wrong 0 A',
        'late: right 1 B',
      ]);
      expect(result.problems).toEqual([]);
    }
  });

  it('does not move to another notebook because the answer is blank or gone where it counts', () => {
    const two = notebookOf('02-two', all({both: 'B', early: 'B'}));
    const blank = gradeFiles({
      'a.ipynb': notebookOf('14-practice', all({both: '', only: 'B', late: 'B'})),
      'b.ipynb': two,
    });
    expect(brief(blank)).toEqual([
      'both: unanswered 0 -',
      'early: right 1 B',
      'only: right 1 B',
      'late: right 1 B',
    ]);
    expect(blank.problems.map(({message}) => message)).toEqual([
      "'both' is unanswered in 14-practice, where it counts, and B in 02-two",
    ]);
    const gone = gradeFiles({
      'a.ipynb': notebookOf('14-practice', all({only: 'B', late: 'B'})),
      'b.ipynb': two,
    });
    expect(brief(gone)[0]).toBe('both: missing 0 -');
    expect(codes(gone)).toEqual(['missing', 'contradiction']);
  });
});

describe('max', () => {
  it('counts the questions of the notebooks handed in, each once', () => {
    expect(gradeFiles({'a.ipynb': notebookOf('02-two', [])})).toMatchObject({score: 0, max: 2});
    expect(gradeFiles({'a.ipynb': notebookOf('14-practice', [])})).toMatchObject({
      score: 0,
      max: 3,
    });
    expect(
      gradeFiles({
        'a.ipynb': notebookOf('14-practice', []),
        'b.ipynb': notebookOf('02-two', []),
        'c.ipynb': notebookOf('10-ten', []),
      }),
    ).toMatchObject({max: 5});
  });

  it('leaves out questions of a kind that is not graded yet', () => {
    const result = gradeOne(
      notebookOf('01-one-machine', [
        "answer('steps-in-an-epoch', 'C')",
        "answer('order-of-halves', 'A')",
        "answer('batch-and-memory', 'D')",
        "await check('sgd-step', f)",
      ]),
    );
    expect(result).toMatchObject({score: 3, max: 3, problems: []});
    expect(courseBank().in('01-one-machine')).toHaveLength(4);
  });
});

describe('a notebook is known', () => {
  it('by its metadata, against its file name', () => {
    const submissions = new Submissions().put('ana/00-many-hands.ipynb', practice());
    expect(submissions.grade().get('ana')).toMatchObject({score: 5, max: 5});
    submissions.remove();
  });

  it('by its questions where the metadata is lost', () => {
    const notebook = practice();
    notebook.metadata = {};
    expect(gradeOne(notebook)).toMatchObject({score: 5, max: 5, problems: []});
    expect(gradeOne(notebookOf(null, ["answer('puzzle', 'B')"]))).toMatchObject({
      score: 1,
      max: 1,
      problems: [],
    });
    const few = gradeOne(notebookOf(null, ["answer('which-split', 'A')"]));
    expect(few).toMatchObject({score: 1, max: 5});
    expect(codes(few)).toEqual(Array(4).fill('missing'));
  });

  it('of several with the same questions, as the one that lacks fewest', () => {
    expect(gradeFiles({'a.ipynb': notebookOf(null, all({early: 'B'}))})).toMatchObject({
      score: 1,
      max: 1,
      problems: [],
    });
    expect(gradeFiles({'a.ipynb': notebookOf(null, all({early: 'B', both: 'B'}))})).toMatchObject({
      score: 2,
      max: 2,
      problems: [],
    });
  });

  it('by its questions where the metadata names no notebook with questions', () => {
    const notebook = practice();
    notebook.metadata.many_hands = {notebook: 'mine'};
    expect(gradeOne(notebook)).toMatchObject({score: 5, max: 5});
  });

  it('by the metadata of its cells where no call can be read any more', () => {
    expect(brief(gradeOne(notebookOf(null, [['puzzle', '']])))).toEqual(['puzzle: edited 0 -']);
  });

  it('as a notebook without questions by its name, and not at all without either', () => {
    expect(gradeOne(notebookOf('05-no-questions', ['1 + 1']))).toMatchObject({
      score: 0,
      max: 0,
      problems: [],
    });
    const other = gradeOne(notebookOf(null, ['1 + 1']));
    expect(other).toMatchObject({score: 0, max: 0});
    expect(codes(other)).toEqual(['not-of-this-course']);
  });
});

describe('one learner, one notebook, two files', () => {
  const twice = (letters: string): ReturnType<typeof gradeOne> => {
    const submissions = new Submissions()
      .put('ana/a.ipynb', practice())
      .put('ana/deep/er/b.ipynb', practice(letters));
    const result = submissions.grade().get('ana')!;
    submissions.remove();
    return result;
  };
  it('count once where they agree, or one is blank', () => {
    for (const letters of ['ADBAC', '     ']) {
      const result = twice(letters);
      expect(result).toMatchObject({
        files: ['ana/a.ipynb', 'ana/deep/er/b.ipynb'],
        score: 5,
        max: 5,
      });
      expect(codes(result)).toEqual(['same-notebook-twice']);
    }
  });
  it('count nothing where they contradict each other', () => {
    const result = twice('ADBAB');
    expect(result).toMatchObject({score: 4, max: 5});
    expect(result.questions[4]).toMatchObject({status: 'duplicated', points: 0, answer: null});
    expect(codes(result)).toEqual(['same-notebook-twice', 'contradiction']);
    expect(result.problems[1]!.message).toMatch(
      /ana\/a\.ipynb, cell \d+: C; ana\/deep\/er\/b\.ipynb, cell \d+: B/,
    );
  });
});

it('an answer whose notebook was not handed in is named, not counted', () => {
  const notebook = practice();
  notebook.cells.push(...notebookOf(null, ["answer('puzzle', 'B')"]).cells);
  const result = gradeOne(notebook);
  expect(result).toMatchObject({score: 5, max: 5});
  expect(result.questions.map(({id}) => id)).toEqual(practiceIds);
  expect(result.problems.map(({code, message}) => [code, message])).toEqual([
    [
      'misplaced',
      "'puzzle' is answered in 14-practice, but belongs to 00-many-hands, which was not handed in; it is not counted",
    ],
  ]);
});
