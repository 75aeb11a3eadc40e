import {describe, expect, it} from 'vitest';
import {
  answerCell,
  brief,
  codes,
  gradeOne,
  notebookOf,
  practice,
  practiceIds,
  removeCell,
} from './submissions.js';

const key = 'ADBAC';
/** The outcome in which all is right but question `at`. */
function allBut(at: number, line: string): string[] {
  return practiceIds.map((id, n) => (n === at ? `${id}: ${line}` : `${id}: right 1 ${key[n]}`));
}

describe('notebook 14', () => {
  it('with A D B A C has 5 of 5, and no problem', () => {
    const result = gradeOne(practice(key));
    expect(result).toMatchObject({
      learner: 'ana',
      files: ['ana/x.ipynb'],
      score: 5,
      max: 5,
      problems: [],
    });
    expect(brief(result)).toEqual(allBut(-1, ''));
    expect(result.questions.every(({kind, max}) => kind === 'choice' && max === 1)).toBe(true);
  });

  it('untouched has 0 of 5, all unanswered, and no problem', () => {
    const result = gradeOne(practice('     '));
    expect(result).toMatchObject({score: 0, max: 5, problems: []});
    expect(result.questions.map(({status}) => status)).toEqual(Array(5).fill('unanswered'));
  });

  it('loses exactly one point for each wrong letter', () => {
    for (let at = 0; at < 5; at++) {
      for (const letter of 'ABCD') {
        if (letter === key[at]) continue;
        const result = gradeOne(practice(key.slice(0, at) + letter + key.slice(at + 1)));
        expect(result.score).toBe(4);
        expect(brief(result)).toEqual(allBut(at, `wrong 0 ${letter}`));
      }
    }
  });

  it.each([
    ["answer('idle-workers', ' a ')", 'right 1 A'],
    ['await answer("idle-workers", `A`); // sure', 'right 1 A'],
    ["answer('idle-workers', 'E')", 'wrong 0 E'],
    ["answer('idle-workers', 'AB')", 'wrong 0 AB'],
    ["answer('idle-workers', 1)", 'wrong 0 1'],
    ["answer('idle-workers', '\u0410')", 'wrong 0 \u0410'],
    ["answer('idle-workers')", 'unanswered 0 -'],
    ["answer('idle-workers', '  ')", 'unanswered 0 -'],
    ["// answer('idle-workers', 'A')\nanswer('idle-workers', '')", 'unanswered 0 -'],
  ])('reads %j as %s', (source, line) => {
    const notebook = practice(key);
    answerCell(notebook, 'idle-workers').source = source;
    const result = gradeOne(notebook);
    expect(brief(result)).toEqual(allBut(3, line));
    expect(result.problems).toEqual([]);
  });

  it.each([
    ["answer('idle-workers', A)", /without quotes/],
    ["answer('idle-workers', 'A' + '')", /only running it would tell/],
    ["answer('idle-worker', 'A')", /it answers 'idle-worker' now/],
    ["answer('which-splitt', 'A')", /it answers 'which-splitt' now/],
    ["answer(id, 'A')", /its id is not written as text/],
    ["answer('idle-workers', A')", /no TypeScript \(line 1:/],
    ['', /it is empty/],
    ['"A"', /calls answer no more/],
    ["if (true) answer('idle-workers', 'A')", /inside a condition/],
    [`answer('idle-workers', 'A') //${'x'.repeat(200_001)}`, /too many to read/],
  ])('names an edited answer cell: %.40j', (source, why) => {
    const notebook = practice(key);
    answerCell(notebook, 'idle-workers').source = source;
    const result = gradeOne(notebook);
    expect(brief(result)).toEqual(allBut(3, 'edited 0 -'));
    expect(result).toMatchObject({score: 4, max: 5});
    expect(result.problems).toEqual([
      {
        code: 'edited',
        file: 'ana/x.ipynb',
        cell: notebook.cells.indexOf(answerCell(notebook, 'idle-workers')) + 1,
        message: expect.stringMatching(why),
      },
    ]);
  });

  it.each(['markdown', 'raw'])('names an answer cell that became a %s cell', (type) => {
    const notebook = practice(key);
    answerCell(notebook, 'which-split').cell_type = type;
    const result = gradeOne(notebook);
    expect(brief(result)).toEqual(allBut(0, 'edited 0 -'));
    expect(result.problems[0]!.message).toContain(`it is a ${type} cell now`);
  });

  it('names a missing answer cell, and counts it in max', () => {
    const notebook = practice(key);
    removeCell(notebook, answerCell(notebook, 'too-large-model'));
    const result = gradeOne(notebook);
    expect(brief(result)).toEqual(allBut(4, 'missing 0 -'));
    expect(result).toMatchObject({score: 4, max: 5});
    expect(result.problems).toEqual([
      {
        code: 'missing',
        file: 'ana/x.ipynb',
        cell: null,
        message: "the answer cell of 'too-large-model' is not in 14-practice any more",
      },
    ]);
  });

  it('finds an answer that lost its metadata, or was moved', () => {
    const notebook = practice(key);
    for (const cell of notebook.cells) cell.metadata = {};
    notebook.cells.reverse();
    expect(gradeOne(notebook)).toMatchObject({score: 5, max: 5, problems: []});
  });

  it('counts the rest of a split cell as nothing', () => {
    const notebook = practice(key);
    const cell = answerCell(notebook, 'which-split');
    notebook.cells.splice(notebook.cells.indexOf(cell), 0, {
      ...cell,
      id: 'split',
      source: '// my thoughts',
    });
    expect(gradeOne(notebook)).toMatchObject({score: 5, problems: []});
  });

  const doubled = (copy: string, own = 'B'): ReturnType<typeof gradeOne> => {
    const notebook = practice(key);
    const cell = answerCell(notebook, 'ninety-samples');
    cell.source = `answer('ninety-samples', '${own}')`;
    notebook.cells.splice(notebook.cells.indexOf(cell) + 1, 0, {...cell, id: 'copy', source: copy});
    return gradeOne(notebook);
  };
  it('names a duplicated answer cell; copies that agree still count', () => {
    const agree = doubled("answer('ninety-samples', 'B')");
    expect(brief(agree)).toEqual(allBut(2, 'duplicated 1 B'));
    expect(agree.problems).toEqual([
      {
        code: 'duplicated',
        file: 'ana/x.ipynb',
        cell: 14,
        message: expect.stringContaining('they agree, so B counts'),
      },
    ]);
    for (const [own, copy] of [
      ['B', ''],
      ['', 'B'],
    ]) {
      const blank = doubled(`answer('ninety-samples', '${copy}')`, own);
      expect(brief(blank)).toEqual(allBut(2, 'duplicated 1 B'));
      expect(codes(blank)).toEqual(['duplicated']);
    }
  });

  it('counts nothing for answers that contradict each other, and names them', () => {
    for (const copy of ["answer('ninety-samples', 'C')", "answer('ninety-samples', 'X')"]) {
      const result = doubled(copy);
      expect(brief(result)).toEqual(allBut(2, 'duplicated 0 -'));
      expect(result.problems).toEqual([
        {
          code: 'contradiction',
          file: 'ana/x.ipynb',
          cell: 13,
          message: expect.stringMatching(
            /contradicting answers \(cell 13: B; cell 14: [CX]\), so none counts/,
          ),
        },
      ]);
    }
    const notebook = practice(key);
    answerCell(notebook, 'ninety-samples').source =
      "answer('ninety-samples', 'A'); answer('ninety-samples', 'B')";
    expect(brief(gradeOne(notebook))).toEqual(allBut(2, 'duplicated 0 -'));
  });

  it('does not count all letters given at once', () => {
    const notebook = practice(key);
    answerCell(notebook, 'ninety-samples').source =
      "for (const letter of 'ABCD') answer('ninety-samples', letter)";
    expect(brief(gradeOne(notebook))).toEqual(allBut(2, 'edited 0 -'));
    answerCell(notebook, 'ninety-samples').source =
      "['A','B'].forEach((l) => answer('ninety-samples', l)); answer('ninety-samples', 'B')";
    expect(brief(gradeOne(notebook))).toEqual(allBut(2, 'edited 0 -'));
  });

  it('names an id that no question has', () => {
    const notebook = practice(key);
    notebook.cells.push(...notebookOf(null, ["answer('idle-wrkers', 'B')"]).cells);
    const result = gradeOne(notebook);
    expect(result.score).toBe(5);
    expect(result.problems).toEqual([
      {
        code: 'unknown-id',
        file: 'ana/x.ipynb',
        cell: notebook.cells.length,
        message: "there is no question 'idle-wrkers'; did its author mean 'idle-workers'?",
      },
    ]);
  });

  it('is graded by what stands in its cells, not by its outputs', () => {
    const notebook = practice('BAAAA');
    for (const cell of notebook.cells)
      if (cell.cell_type === 'code')
        cell.outputs = [
          {output_type: 'stream', name: 'stdout', text: "✓ Right: A. answer('which-split', 'A')"},
        ];
    expect(gradeOne(notebook).score).toBe(1);
  });

  it('keeps sources that are a list of lines, one string, or neither', () => {
    const notebook = practice(key);
    answerCell(notebook, 'which-split').source = ['answer(\n', "  'which-split',\n", "  'A')"];
    answerCell(notebook, 'idle-workers').source = "answer('idle-workers', 'A')";
    (answerCell(notebook, 'too-large-model') as {source: unknown}).source = 7;
    (notebook.cells as unknown[]).push(
      null,
      3,
      {cell_type: 'code'},
      {source: "answer('which-split', 'D')"},
    );
    expect(brief(gradeOne(notebook))).toEqual(allBut(4, 'edited 0 -'));
  });
});
