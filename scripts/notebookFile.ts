/**
 * A notebook file (nbformat 4): its parts, how it is read whoever made it, how it is
 * written, and how single sources in it are replaced. Nothing in it is executed.
 */
import * as fs from 'node:fs';
import * as path from 'node:path';
import {applyEdits, findNodeAtLocation, parseTree, type Edit} from 'jsonc-parser';
import {ManyHandsError, messageOf} from '../lib/base/errors';
import {writeWhole} from '../lib/base/wholeFile';
import {decode, readSafely, type Unreadable} from './readSafely';

export interface StreamOutput {
  output_type: 'stream';
  name: string;
  text: string;
}

export interface RichOutput {
  output_type: 'display_data' | 'execute_result' | 'error';
  [field: string]: unknown;
}

export type Output = StreamOutput | RichOutput;

/** A cell as it is stored. */
export interface Cell {
  cell_type: string;
  id?: string;
  metadata?: Record<string, unknown>;
  source: string | string[];
  outputs?: Output[];
  execution_count?: number | null;
}

export interface Notebook {
  nbformat: number;
  nbformat_minor: number;
  metadata: Record<string, unknown> & {
    kernelspec?: {name?: string; display_name?: string; language?: string};
    many_hands?: {notebook?: string};
  };
  cells: Cell[];
}

/** A cell as the grader and the question banks see it. */
export interface CourseCell {
  /** Its place among all cells, from 1. */
  number: number;
  type: string;
  source: string;
  /** `metadata.many_hands.answer` and `.question`. */
  answer: string | null;
  question: string | null;
}

/** A notebook with the text that it was read from, or why it cannot be read. */
export type Read = {notebook: Notebook; text: string} | {unreadable: Unreadable};

const refused = (code: Unreadable['code'], message: string): Read => ({
  unreadable: {code, message},
});

/** Reads a notebook that somebody handed in. Never throws for what the file is. */
export function readHandedIn(file: string): Read {
  const bytes = readSafely(file);
  if (!Buffer.isBuffer(bytes)) return {unreadable: bytes};
  if (bytes.length === 0) return refused('not-json', 'this file is empty');
  let text: string;
  try {
    text = decode(bytes);
  } catch (error) {
    return notJson(error);
  }
  return parseNotebook(text);
}

/** Reads a notebook of the course. Throws BAD_DATA, naming the file, where it cannot be read. */
export function readNotebook(file: string): {notebook: Notebook; text: string} {
  const read = readHandedIn(fs.existsSync(file) ? fs.realpathSync(file) : file);
  if ('unreadable' in read)
    throw new ManyHandsError(
      'BAD_DATA',
      `${file} cannot be read as a notebook: ${read.unreadable.message}.`,
    );
  return read;
}

/**
 * A notebook from its text. Every cell has a type and a source, whatever its author made of it: a
 * part that is of the wrong form counts as absent.
 */
export function parseNotebook(text: string): Read {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    return notJson(error);
  }
  const file = record(parsed);
  if (!file)
    return refused(
      'not-a-notebook',
      'this is JSON, but no notebook: a notebook is an object with cells',
    );
  if (typeof file.nbformat === 'number' && file.nbformat < 4)
    return refused(
      'old-format',
      `this notebook is in the old format ${file.nbformat}; open it in JupyterLab and save it, which makes it format 4`,
    );
  if (!Array.isArray(file.cells))
    return refused('not-a-notebook', 'this is JSON, but no notebook: it has no cells');
  const notebook = {...file, metadata: record(file.metadata) ?? {}, cells: file.cells.map(cellOf)};
  return {notebook: notebook as unknown as Notebook, text};
}

function notJson(error: unknown): Read {
  return refused(
    'not-json',
    `this is not a notebook's JSON (cut off, or something else): ${messageOf(error)}`,
  );
}

function cellOf(value: unknown): Cell {
  const cell = record(value) ?? {};
  const {source, metadata, outputs} = cell;
  // What is of the right form stays in its place: a stored notebook keeps the order of its keys.
  return {
    ...cell,
    cell_type: string(cell.cell_type) ?? 'unknown',
    source: Array.isArray(source)
      ? source.filter((line) => typeof line === 'string')
      : (string(source) ?? ''),
    ...(metadata === undefined ? {} : {metadata: record(metadata) ?? {}}),
    ...(outputs === undefined ? {} : {outputs: Array.isArray(outputs) ? outputs : undefined}),
  };
}

export function sourceOf(cell: Cell): string {
  return Array.isArray(cell.source) ? cell.source.join('') : cell.source;
}

/** `metadata.many_hands.notebook`: the name of a notebook in the course. */
export function courseNameOf({metadata}: Notebook): string | null {
  return string(record(metadata.many_hands)?.notebook);
}

/** The cells as the grader and the question banks see them. */
export function courseCells({cells}: Notebook): CourseCell[] {
  return cells.map((cell, index) => {
    const ours = record(cell.metadata?.many_hands);
    return {
      number: index + 1,
      type: cell.cell_type,
      source: sourceOf(cell),
      answer: string(ours?.answer),
      question: string(ours?.question),
    };
  });
}

/** How a message names a cell: its place among all cells, from 1, its id and its first line. */
export interface CellName {
  cell: number;
  id: string;
  firstLine: string;
}

export function nameOf(cells: readonly Cell[], index: number): CellName {
  const cell = cells[index]!;
  const firstLine =
    sourceOf(cell)
      .split('\n')
      .find((line) => line.trim() !== '')
      ?.trim() ?? '(empty)';
  return {
    cell: index + 1,
    id: cell.id ?? '(no id)',
    firstLine: firstLine.length > 70 ? `${firstLine.slice(0, 67)}...` : firstLine,
  };
}

/**
 * Writes a notebook as Jupyter does (one space a level, a line break at the end), whole or not at
 * all.
 */
export function writeNotebook(file: string, notebook: Notebook): void {
  fs.mkdirSync(path.dirname(file), {recursive: true});
  writeWhole(file, `${JSON.stringify(notebook, null, 1)}\n`);
}

/**
 * A notebook's text with new sources in some cells, each known by its number. A source is written
 * as Jupyter writes it: a list of lines, indented by one space a level. Every other byte stays.
 */
export function withSources(
  text: string,
  changes: readonly {number: number; source: string}[],
): string {
  const tree = parseTree(text);
  const edits = changes.map(({number, source}): Edit => {
    const node = tree && findNodeAtLocation(tree, ['cells', number - 1, 'source']);
    if (!node)
      throw new ManyHandsError('BAD_DATA', `Cell ${number} has no source that could be replaced.`);
    const {offset, length} = node;
    const line = text.slice(text.lastIndexOf('\n', offset - 1) + 1, offset);
    const indent = /^[ \t]*/.exec(line)![0];
    const lines = source.split(/(?<=\n)/).map((one) => `${indent} ${JSON.stringify(one)}`);
    const content = source === '' ? '[]' : `[\n${lines.join(',\n')}\n${indent}]`;
    return {offset, length, content};
  });
  return applyEdits(text, edits);
}

function record(value: unknown): Record<string, unknown> | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null;
}

function string(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
