/**
 * Keeps answers and first predictions in the course's `answers/` folder, for the learner only: no
 * grader reads them.
 *
 * If the folder cannot be written, only the kernel's memory keeps them; that is not an error.
 */
import {mkdirSync, readFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {courseFolder} from '../base/courseFolder';
import {writeWhole} from '../base/wholeFile';
import {idPattern} from './parse';

/** A number with its unit. */
export interface Quantity {
  value: number;
  unit: string;
}

/** The content of a file in `answers/`. */
export interface Kept {
  id: string;
  answer?: string;
  prediction?: Quantity;
}

function fileOf(id: string): string | null {
  const root = idPattern.test(id) ? courseFolder() : null;
  return root === null ? null : join(root, 'answers', `${id}.json`);
}

/** What was kept for an id; only the id if nothing was kept. */
export function recall(id: string): Kept {
  const file = fileOf(id);
  try {
    const kept: unknown = file === null ? null : JSON.parse(readFileSync(file, 'utf8'));
    if (kept === null || typeof kept !== 'object') return {id};
    const {answer, prediction} = kept as {answer?: unknown; prediction?: Partial<Quantity> | null};
    return {
      id,
      ...(typeof answer === 'string' ? {answer} : {}),
      ...(typeof prediction?.value === 'number' && typeof prediction.unit === 'string'
        ? {prediction: {value: prediction.value, unit: prediction.unit}}
        : {}),
    };
  } catch {
    return {id};
  }
}

/** Adds to what is kept for an id; returns whether it could be written. */
export function keep(id: string, more: Partial<Omit<Kept, 'id'>>): boolean {
  const file = fileOf(id);
  if (file === null) return false;
  try {
    mkdirSync(dirname(file), {recursive: true});
    writeWhole(file, `${JSON.stringify({...recall(id), ...more}, null, 1)}\n`);
    return true;
  } catch {
    return false;
  }
}
