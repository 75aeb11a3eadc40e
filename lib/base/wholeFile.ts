/**
 * Writing a file in one step, so that no process ever reads half of it.
 */
import {renameSync, rmSync, writeFileSync} from 'node:fs';

/**
 * Writes `text` to a temporary file and renames it to `file`. Throws the error of the system, and
 * never leaves a temporary file behind.
 */
export function writeWhole(file: string, text: string): void {
  const temporary = `${file}.${process.pid}.part`;
  try {
    writeFileSync(temporary, text);
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, {force: true});
    throw error;
  }
}
