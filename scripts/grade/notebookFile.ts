/**
 * One notebook file of a submission: its cells, or the sentence that says why it
 * cannot be read. Nothing in it is executed.
 */
import {closeSync, constants, fstatSync, openSync, readSync} from 'node:fs';
import {messageOf} from '../../lib/base/errors';

/** A cell as the grader sees it; `number` counts all cells of the notebook from 1. */
export interface NotebookCell {
  number: number;
  type: string;
  source: string;
  /** `metadata.many_hands.answer` and `.question`. */
  answer: string | null;
  question: string | null;
}

export interface NotebookFile {
  /** `metadata.many_hands.notebook`. */
  name: string | null;
  cells: NotebookCell[];
}

/** A file that cannot be graded: a stable code and a sentence. */
export interface Unreadable {
  code: 'not-a-file' | 'too-large' | 'unreadable' | 'not-json' | 'not-a-notebook' | 'old-format';
  message: string;
}

const largest = 64 * 2 ** 20;

/** Reads a notebook (nbformat 4) from a file that a learner handed in. */
export function readNotebook(path: string): {notebook: NotebookFile} | {unreadable: Unreadable} {
  const refuse = (code: Unreadable['code'], message: string): {unreadable: Unreadable} => ({
    unreadable: {code, message},
  });
  let bytes: Buffer;
  try {
    // O_NONBLOCK: opening a named pipe must not wait for somebody to write into it.
    const descriptor = openSync(
      path,
      constants.O_RDONLY | constants.O_NONBLOCK | (constants.O_NOFOLLOW ?? 0),
    );
    try {
      const stat = fstatSync(descriptor);
      if (!stat.isFile()) return refuse('not-a-file', 'this is no regular file');
      if (stat.size > largest) {
        const [has, reads] = [stat.size, largest].map(
          (size) => `${(size / 2 ** 20).toFixed(0)} MiB`,
        );
        return refuse(
          'too-large',
          `this file has ${has}, more than the ${reads} that the grader reads; clear its outputs and hand it in again`,
        );
      }
      bytes = readAll(descriptor, stat.size);
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    return refuse(
      'unreadable',
      `this file cannot be read: ${messageOf(error).replace(/, \w+ '.*$/, '')}`,
    );
  }
  if (bytes.length === 0) return refuse('not-json', 'this file is empty');
  let parsed: unknown;
  try {
    parsed = JSON.parse(decode(bytes));
  } catch (error) {
    return refuse(
      'not-json',
      `this is not a notebook's JSON (cut off, or something else): ${messageOf(error)}`,
    );
  }
  return fromJson(parsed, refuse);
}

function readAll(descriptor: number, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  let at = 0;
  while (at < size) {
    const read = readSync(descriptor, bytes, at, size - at, at);
    if (read === 0) break;
    at += read;
  }
  return bytes.subarray(0, at);
}

/**
 * UTF-8 with or without a byte order mark, and UTF-16 with one (what Windows' editors make of a
 * file).
 */
function decode(bytes: Buffer): string {
  const encoding =
    bytes[0] === 0xff && bytes[1] === 0xfe
      ? 'utf-16le'
      : bytes[0] === 0xfe && bytes[1] === 0xff
        ? 'utf-16be'
        : 'utf-8';
  return new TextDecoder(encoding, {fatal: true}).decode(bytes);
}

function fromJson(
  parsed: unknown,
  refuse: (code: Unreadable['code'], message: string) => {unreadable: Unreadable},
): {notebook: NotebookFile} | {unreadable: Unreadable} {
  const file = record(parsed);
  if (!file)
    return refuse(
      'not-a-notebook',
      'this is JSON, but no notebook: a notebook is an object with cells',
    );
  if (typeof file.nbformat === 'number' && file.nbformat < 4) {
    return refuse(
      'old-format',
      `this notebook is in the old format ${file.nbformat}; open it in JupyterLab, save it (format 4) and hand it in again`,
    );
  }
  if (!Array.isArray(file.cells))
    return refuse('not-a-notebook', 'this is JSON, but no notebook: it has no cells');
  const name = record(record(file.metadata)?.many_hands)?.notebook;
  const cells = file.cells.map((cell: unknown, at): NotebookCell => {
    const fields = record(cell);
    const ours = record(record(fields?.metadata)?.many_hands);
    return {
      number: at + 1,
      type: text(fields?.cell_type) ?? 'unknown',
      source: sourceText(fields?.source),
      answer: text(ours?.answer),
      question: text(ours?.question),
    };
  });
  return {notebook: {name: text(name), cells}};
}

/** A cell's source: a string, or a list of lines that keep their ends. */
function sourceText(source: unknown): string {
  if (Array.isArray(source)) return source.filter((line) => typeof line === 'string').join('');
  return text(source) ?? '';
}

function record(value: unknown): Record<string, unknown> | null {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : null;
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
