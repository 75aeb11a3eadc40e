/**
 * Files that are whole or not there, also where two processes write at once.
 */
import {renameSync, rmSync, writeFileSync} from 'node:fs';

/**
 * Writes `text` beside `file` and puts it in its place. Throws what the system throws, and leaves
 * nothing half-written.
 */
export function writeWhole(file: string, text: string): void {
  const half = `${file}.${process.pid}.part`;
  try {
    writeFileSync(half, text);
    renameSync(half, file);
  } catch (error) {
    rmSync(half, {force: true});
    throw error;
  }
}
