/** How a notebook of the course is stored, and that the course's own are. */
import * as path from 'node:path';
import {describe, expect, it} from 'vitest';
import {courseNotebooks} from '#scripts/notebooks/choose.js';
import {readNotebook, type Notebook} from '#scripts/notebookFile.js';
import {readOpening} from '#scripts/notebooks/opening.js';
import {storedProblems} from '#scripts/notebooks/rules.js';
import {stripped} from '#scripts/notebooks/strip.js';
import {findTraps} from '#scripts/notebooks/traps.js';
import {notebookOf, opening} from './fixtures';

const file = '03-two-workers.ipynb';
const rulesOf = (notebook: Notebook, name = file): string[] =>
  storedProblems(notebook, name).map(({rule}) => rule);

/** A good notebook with one thing changed. */
function spoiled(change: (notebook: Notebook) => void): Notebook {
  const notebook = notebookOf(['const a = 1;', 'md:Text.', 'a']);
  change(notebook);
  return notebook;
}

describe("the course's notebooks", () => {
  const files = courseNotebooks();
  it('are there', () =>
    expect(files.map((each) => path.basename(each))).toEqual(
      expect.arrayContaining(['00-many-hands.ipynb', '01-one-machine.ipynb', '14-practice.ipynb']),
    ));
  it.each(files.map((each) => [path.basename(each), each] as const))(
    '%s is stored as it should be, and walks into no trap',
    (_, each) => {
      const {notebook} = readNotebook(each);
      expect([...storedProblems(notebook, each), ...findTraps(notebook)]).toEqual([]);
    },
  );
});

describe('the check of a stored notebook', () => {
  it('finds nothing in a good one', () =>
    expect(storedProblems(notebookOf(['const a = 1;', 'md:Text.', 'a']), file)).toEqual([]));

  it.each([
    [
      'outputs',
      (n: Notebook) =>
        void (n.cells[1]!.outputs = [{output_type: 'stream', name: 'stdout', text: 'x'}]),
    ],
    ['outputs', (n: Notebook) => void delete n.cells[1]!.outputs],
    ['execution-count', (n: Notebook) => void (n.cells[1]!.execution_count = 3)],
    ['id', (n: Notebook) => void delete n.cells[2]!.id],
    ['id', (n: Notebook) => void (n.cells[2]!.id = n.cells[1]!.id)],
    ['id', (n: Notebook) => void (n.cells[2]!.id = 'with a space')],
    ['kernel', (n: Notebook) => void (n.metadata.kernelspec = {name: 'tslab'})],
    ['kernel', (n: Notebook) => void delete n.metadata.kernelspec],
    ['name', (n: Notebook) => void (n.metadata.many_hands = {notebook: '02-another'})],
    ['name', (n: Notebook) => void delete n.metadata.many_hands],
    ['format', (n: Notebook) => void (n.nbformat_minor = 4)],
    ['metadata', (n: Notebook) => void (n.cells[1]!.metadata = {scrolled: true})],
    ['tag', (n: Notebook) => void (n.cells[1]!.metadata = {tags: ['raises-exception']})],
    ['path', (n: Notebook) => void (n.cells[1]!.source = "const from = '/home/ada/data';")],
    ['empty', (n: Notebook) => void (n.cells[3]!.source = '  \n')],
    ['cell-type', (n: Notebook) => void (n.cells[2]!.cell_type = 'raw')],
    ['alt-text', (n: Notebook) => void (n.cells[2]!.source = 'See ![](map.png)')],
    ['alt-text', (n: Notebook) => void (n.cells[2]!.source = '<img src="map.png">')],
  ])('finds %s', (rule, change) => expect(rulesOf(spoiled(change))).toEqual([rule]));

  it('names the cell by number, id and first line', () => {
    expect(
      storedProblems(
        spoiled((n) => void (n.cells[1]!.execution_count = 3)),
        file,
      ),
    ).toEqual([
      {
        cell: 2,
        id: 'c1',
        firstLine: 'const a = 1;',
        rule: 'execution-count',
        message: 'it is stored with the execution count 3',
      },
    ]);
  });

  it('takes pictures with words, and a picture in code, for good', () => {
    expect(
      rulesOf(
        spoiled(
          (n) =>
            void (n.cells[2]!.source =
              '![a map](map.png) <img alt="a map" src="m.png"> and `![](x)`'),
        ),
      ),
    ).toEqual([]);
  });

  it('wants a file name of two digits and small letters', () =>
    expect(rulesOf(notebookOf([], 'Two workers'), 'Two workers.ipynb')).toEqual(['file-name']));

  it('counts 25 code cells, and those under "Going further" apart', () => {
    const cells = (count: number): string[] =>
      Array.from({length: count}, (_, at) => `const a${at} = ${at};`);
    expect(rulesOf(notebookOf(cells(25)))).toEqual([]);
    expect(rulesOf(notebookOf(cells(26)))).toEqual(['budget']);
    expect(rulesOf(notebookOf([...cells(25), 'md:## Going further', 'const more = 1;']))).toEqual(
      [],
    );
  });
});

describe('the opening', () => {
  const problemsWith = (change: (text: string) => string): string[] =>
    storedProblems(
      spoiled((n) => void (n.cells[0]!.source = change(opening))),
      file,
    ).map(({message}) => message);

  it.each([
    ['a title', (text: string) => text.replace('# 03', '03'), /begins with a title/],
    [
      'three things you will be able to do',
      (text: string) => text.replace('- **stop** them,\n', ''),
      /has 2 points/,
    ],
    ['a list of them', (text: string) => text.replace(/- \*\*.*\n/g, ''), /you will be able to/],
    ['what you need', (text: string) => text.replace('What you need', 'Before'), /what you need/],
    [
      'minutes to read',
      (text: string) => text.replace('10 minutes to read', 'soon read'),
      /minutes it takes to read/,
    ],
    [
      'minutes to run',
      (text: string) => text.replace('1 minute to run', 'N minutes to run'),
      /minutes it takes to run/,
    ],
    [
      'at most 45 minutes',
      (text: string) => text.replace('10 minutes', '45 minutes'),
      /46 minutes; its budget is 45/,
    ],
    ['new words', (text: string) => text.replace('New words', 'Words'), /which words are new/],
    [
      'at most six of them',
      (text: string) => text.replace('*worker*', '*a*, *b*, *c*, *d*, *e*, *f*'),
      /7 new words .*its budget is 6/,
    ],
  ])('must have %s', (_, change, message) => {
    const found = problemsWith(change);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(message);
  });

  it('reads its parts in other words too', () => {
    expect(
      readOpening(
        '# T\n\n**You will be able to:**\n\n1. one\n2. two,\n   on two lines\n3. three\n\n**You need** nothing.\n\n' +
          '**Time:** about 20 minutes to read\nand answer. The cells run in about 90 seconds.\n\n**New words:**\n\n- *tensor*: a box *of numbers*\n- *loss*: a number\n\nMore.',
      ),
    ).toEqual({
      title: 'T',
      goals: ['one', 'two,\n   on two lines', 'three'],
      needs: true,
      minutesToRead: 20,
      minutesToRun: 2,
      newWords: ['tensor', 'loss'],
    });
    expect(readOpening('New words: none.').newWords).toEqual([]);
    expect(readOpening('New words: tensor, loss and step.').newWords).toEqual([
      'tensor',
      'loss',
      'step',
    ]);
  });
});

describe('--strip', () => {
  it('makes a notebook that was run pass the check, and leaves text, ids and our metadata', () => {
    const ran = spoiled((n) => {
      n.cells[1]!.outputs = [{output_type: 'stream', name: 'stdout', text: 'x'}];
      n.cells[1]!.execution_count = 1;
      n.cells[1]!.metadata = {scrolled: true, many_hands: {answer: 'x'}};
      delete n.cells[3]!.id;
      delete n.metadata.many_hands;
      n.metadata.kernelspec = {name: 'tslab'};
    });
    const clean = stripped(ran, '03-two-workers');
    expect(storedProblems(clean, file)).toEqual([]);
    expect(clean.cells.map(({source}) => source)).toEqual(ran.cells.map(({source}) => source));
    expect(clean.cells[1]!.metadata).toEqual({many_hands: {answer: 'x'}});
    expect(clean.cells[1]!.id).toBe('c1');
  });
});
