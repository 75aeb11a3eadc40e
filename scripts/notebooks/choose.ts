/** The caller's side, scripts only. Which notebooks a command's words mean. */
import * as fs from 'node:fs';
import * as path from 'node:path';
import {typedPath, wrongUse} from '../command';
import {courseRoot} from '../root';

/** The course's notebooks in reading order, or those of another folder. */
export function courseNotebooks(folder = path.join(courseRoot(), 'notebooks')): string[] {
  const names = fs.existsSync(folder) ? fs.readdirSync(folder) : [];
  return names
    .filter((name) => name.endsWith('.ipynb'))
    .sort()
    .map((name) => path.join(folder, name));
}

/**
 * Files for names such as '00', '00-many-hands' or a path; all of the course's where no name is
 * given.
 */
export function chooseNotebooks(names: readonly string[], folder?: string): string[] {
  const all = courseNotebooks(folder);
  if (names.length === 0) {
    if (all.length === 0) throw wrongUse("There is no notebook in the course's folder notebooks/.");
    return all;
  }
  const chosen = names.map((name) => {
    const stem = (file: string): string => path.basename(file, '.ipynb');
    const found =
      all.find((file) => stem(file) === name || path.basename(file) === name) ??
      all.find((file) => stem(file).split('-')[0] === name);
    if (found) return found;
    const file = typedPath(name);
    if (name.endsWith('.ipynb') && fs.existsSync(file)) return file;
    const there = all.map((each) => stem(each)).join(', ');
    throw wrongUse(
      `There is no notebook '${name}'. There are: ${there || 'none'}. A path to a file that ends in .ipynb is taken as well.`,
    );
  });
  return [...new Set(chosen)];
}
