/**
 * The caller's side, scripts only. What a stored notebook of the course must be: clean, known by
 * its name, within its budget.
 */
import * as path from 'node:path';
import {nameOf, sourceOf, type Cell, type Notebook} from '../notebookFile';
import {openingProblems} from './opening';
import type {Problem} from './run';

export const kernelName = 'many-hands';
const budget = {codeCells: 25};
/** What JupyterLab leaves behind in a cell's metadata. */
export const leftovers = [
  'execution',
  'collapsed',
  'scrolled',
  'trusted',
  'ExecuteTime',
  'jp-MarkdownHeadingCollapsed',
];
/**
 * Tags that make other runners accept or leave out a cell. After a cell that fails, tslab runs
 * nothing for 200 ms.
 */
const tags = ['raises-exception', 'skip-execution', 'skip'];

/** The problems of a notebook as it is stored; `file` names it. */
export function storedProblems(notebook: Notebook, file: string): Problem[] {
  const whole = (rule: string, message: string): Problem => ({rule, message});
  const problems: Problem[] = [];
  const stem = path.basename(file, '.ipynb');
  if (!/^\d\d-[a-z0-9]+(-[a-z0-9]+)*$/.test(stem))
    problems.push(
      whole(
        'file-name',
        `its file is called '${stem}'; such a name is 03-two-workers: two digits, then small letters`,
      ),
    );
  if (notebook.nbformat !== 4 || !(notebook.nbformat_minor >= 5)) {
    problems.push(
      whole(
        'format',
        `its format is ${notebook.nbformat}.${notebook.nbformat_minor}; cells have ids from 4.5 on`,
      ),
    );
  }
  const kernel = notebook.metadata.kernelspec?.name;
  if (kernel !== kernelName)
    problems.push(
      whole(
        'kernel',
        `its kernel is ${kernel === undefined ? 'not named' : `'${kernel}'`}; it must be '${kernelName}'`,
      ),
    );
  const known = notebook.metadata.many_hands?.notebook;
  if (known !== stem)
    problems.push(
      whole(
        'name',
        `metadata.many_hands.notebook is ${JSON.stringify(known) ?? 'missing'}; it must be "${stem}"`,
      ),
    );
  const seen = new Map<string, number>();
  notebook.cells.forEach((cell, index) => {
    const name = nameOf(notebook.cells, index);
    const before = seen.get(cell.id ?? '');
    if (!cell.id || !/^[a-zA-Z0-9_-]{1,64}$/.test(cell.id))
      problems.push({
        ...name,
        rule: 'id',
        message: 'it has no id, or not one of letters, digits, - and _',
      });
    else if (before !== undefined)
      problems.push({...name, rule: 'id', message: `cell ${before} has the same id`});
    else seen.set(cell.id, index + 1);
    problems.push(...cellProblems(cell).map(({rule, message}) => ({...name, rule, message})));
  });
  const further = notebook.cells.findIndex(
    (cell) => cell.cell_type === 'markdown' && /^#+\s+Going further\b/im.test(sourceOf(cell)),
  );
  const code = notebook.cells.filter(
    (cell, index) => cell.cell_type === 'code' && (further < 0 || index < further),
  ).length;
  if (code > budget.codeCells)
    problems.push(
      whole(
        'budget',
        `${code} code cells; its budget is ${budget.codeCells}, and more goes under "Going further"`,
      ),
    );
  return [...problems, ...openingProblems(notebook)];
}

function cellProblems(cell: Cell): {rule: string; message: string}[] {
  const problems: {rule: string; message: string}[] = [];
  const source = sourceOf(cell);
  const add = (rule: string, message: string): void => void problems.push({rule, message});
  const kept = Object.keys(cell.metadata ?? {}).filter((key) => leftovers.includes(key));
  if (kept.length) add('metadata', `JupyterLab left '${kept.join("', '")}' in its metadata`);
  const tagged = ((cell.metadata?.tags as string[] | undefined) ?? []).filter((tag) =>
    tags.includes(tag),
  );
  if (tagged.length)
    add(
      'tag',
      `it is tagged '${tagged.join("', '")}'; catch the error and show it: after a cell that fails, tslab runs nothing for 200 ms`,
    );
  if (/(^|[\s'"`(])(\/(home|Users|root)\/|[A-Z]:\\Users\\)/.test(source))
    add('path', "it holds a path of somebody's machine");
  if (cell.cell_type === 'code') {
    if (cell.outputs === undefined || cell.outputs.length > 0)
      add('outputs', 'it is stored with outputs');
    if (cell.execution_count !== null)
      add(
        'execution-count',
        `it is stored with the execution count ${String(cell.execution_count)}`,
      );
    if (source.trim() === '') add('empty', 'it is empty');
  } else if (cell.cell_type === 'markdown') {
    const prose = source.replace(/^(```|~~~)[^]*?^\1/gm, '').replace(/`[^`\n]*`/g, '');
    if (/!\[\s*\]\(/.test(prose) || /<img\b(?![^>]*\balt\s*=\s*["'][^"']+["'])/i.test(prose))
      add('alt-text', 'a picture in it has no alternative text');
    if (source.trim() === '') add('empty', 'it is empty');
  } else
    add('cell-type', `it is a ${cell.cell_type} cell, which a learner cannot see as text or run`);
  return problems;
}
