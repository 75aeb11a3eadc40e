/**
 * Set-up. Stamps: a file that says from what a step's result was made; it is written last, so what
 * was interrupted has none.
 */
import {createHash} from 'node:crypto';
import {mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync} from 'node:fs';
import {dirname, join} from 'node:path';

/**
 * A short name for any values and texts.
 * @param {...unknown} parts
 */
export function hashOf(...parts) {
  const hash = createHash('sha256');
  for (const part of parts)
    hash.update(typeof part === 'string' ? part : (JSON.stringify(part) ?? '')).update('\0');
  return hash.digest('hex').slice(0, 32);
}

/**
 * The files below a folder whose names match, in a fixed order.
 * @param {string} folder
 * @param {RegExp} name
 * @returns {string[]}
 */
export function filesBelow(folder, name) {
  let entries;
  try {
    entries = readdirSync(folder, {withFileTypes: true});
  } catch {
    return [];
  }
  return entries
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return filesBelow(path, name);
      return name.test(entry.name) ? [path] : [];
    });
}

/**
 * Writes a file whole or not at all.
 * @param {string} file
 * @param {string} text
 */
export function writeWhole(file, text) {
  mkdirSync(dirname(file), {recursive: true});
  const part = `${file}.${process.pid}.part`;
  writeFileSync(part, text);
  renameSync(part, file);
}

/**
 * @param {string} file
 * @returns {Record<string, any> | null} what a stamp holds, null where there is none that can be
 * read
 */
export function readStamp(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return null;
  }
}

/**
 * @param {string} file
 * @param {Record<string, unknown>} content
 */
export function writeStamp(file, content) {
  writeWhole(file, `${JSON.stringify(content, null, 2)}\n`);
}

/** @param {string} file */
export function removeStamp(file) {
  rmSync(file, {force: true});
}
