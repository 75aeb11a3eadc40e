/**
 * A stored notebook as text: its cells, and how one cell's source is replaced while
 * every other byte stays as it is.
 */
import ts from 'typescript';
import {ManyHandsError} from '../../lib/base/errors';

/** A stored cell; `span` is where the value of its `source` stands in the file's text. */
export interface StoredCell {
  number: number;
  type: string;
  source: string;
  answer: string | null;
  question: string | null;
  span: {from: number; to: number};
}

export interface StoredNotebook {
  /** `metadata.many_hands.notebook`. */
  name: string | null;
  cells: StoredCell[];
}

/** Reads a notebook's text. Throws BAD_DATA, naming `file`, where it is not one. */
export function readStored(text: string, file: string): StoredNotebook {
  const tree = ts.parseJsonText(file, text);
  const top = tree.statements[0]?.expression;
  try {
    JSON.parse(text);
  } catch (error) {
    throw new ManyHandsError('BAD_DATA', `${file} is not JSON: ${(error as Error).message}`);
  }
  const cells = top && property(top, 'cells');
  if (!top || !cells || !ts.isArrayLiteralExpression(cells))
    throw new ManyHandsError('BAD_DATA', `${file} is no notebook: it has no cells.`);
  return {
    name: stringAt(top, ['metadata', 'many_hands', 'notebook']),
    cells: cells.elements.map((cell, at) => {
      const source = property(cell, 'source');
      if (!source) throw new ManyHandsError('BAD_DATA', `${file}: cell ${at + 1} has no source.`);
      return {
        number: at + 1,
        type: stringAt(cell, ['cell_type']) ?? '',
        source: ts.isArrayLiteralExpression(source)
          ? source.elements.map((line) => (ts.isStringLiteral(line) ? line.text : '')).join('')
          : ts.isStringLiteral(source)
            ? source.text
            : '',
        answer: stringAt(cell, ['metadata', 'many_hands', 'answer']),
        question: stringAt(cell, ['metadata', 'many_hands', 'question']),
        span: {from: source.getStart(tree), to: source.end},
      };
    }),
  };
}

/**
 * The text with new sources in some cells, written as Jupyter writes them: a list of lines,
 * indented by one space a level.
 */
export function withSources(
  text: string,
  changes: readonly {cell: StoredCell; source: string}[],
): string {
  const fromTheEnd = [...changes].sort((a, b) => b.cell.span.from - a.cell.span.from);
  return fromTheEnd.reduce((out, {cell: {span}, source}) => {
    const line = out.slice(out.lastIndexOf('\n', span.from - 1) + 1, span.from);
    const indent = /^[ \t]*/.exec(line)![0];
    const lines = source.split(/(?<=\n)/).map((one) => `${indent} ${JSON.stringify(one)}`);
    const list = source === '' ? '[]' : `[\n${lines.join(',\n')}\n${indent}]`;
    return out.slice(0, span.from) + list + out.slice(span.to);
  }, text);
}

function property(node: ts.Expression, name: string): ts.Expression | null {
  if (!ts.isObjectLiteralExpression(node)) return null;
  for (const one of node.properties) {
    if (ts.isPropertyAssignment(one) && ts.isStringLiteral(one.name) && one.name.text === name)
      return one.initializer;
  }
  return null;
}

function stringAt(node: ts.Expression, path: readonly string[]): string | null {
  const found = path.reduce<ts.Expression | null>((at, name) => at && property(at, name), node);
  return found && ts.isStringLiteral(found) ? found.text : null;
}
