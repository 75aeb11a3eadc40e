/**
 * The caller's side, scripts only. A notebook file (nbformat 4): its parts, how it is read, how it
 * is written.
 */
import * as fs from 'node:fs';
import * as path from 'node:path';
import {writeWhole} from '../../lib/base/wholeFile';

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

export function sourceOf(cell: Cell): string {
  return Array.isArray(cell.source) ? cell.source.join('') : cell.source;
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

/** Reads a notebook. Throws where the file is not one, with a sentence that names it. */
export function readNotebook(file: string): Notebook {
  let parsed: unknown;
  try {
    parsed = JSON.parse(fs.readFileSync(file, 'utf8'));
  } catch (error) {
    throw new Error(`${file} cannot be read as a notebook: ${(error as Error).message}`);
  }
  const cells = (parsed as Partial<Notebook> | null)?.cells;
  if (
    !Array.isArray(cells) ||
    !cells.every(
      (cell) =>
        typeof cell?.cell_type === 'string' &&
        (typeof cell.source === 'string' || Array.isArray(cell.source)),
    )
  ) {
    throw new Error(
      `${file} is JSON, but no notebook: it has no list of cells, each with a type and a source.`,
    );
  }
  return {...(parsed as Notebook), metadata: (parsed as Notebook).metadata ?? {}};
}

/**
 * Writes a notebook as Jupyter does (one space a level, a line break at the end), whole or not at
 * all.
 */
export function writeNotebook(file: string, notebook: Notebook): void {
  fs.mkdirSync(path.dirname(file), {recursive: true});
  writeWhole(file, `${JSON.stringify(notebook, null, 1)}\n`);
}
