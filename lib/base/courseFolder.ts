/**
 * Where the course, or the installed package, lies on this machine.
 */
import {readFileSync} from 'node:fs';
import {dirname, join} from 'node:path';

/**
 * The course's folder: the nearest one above `from` whose package.json is that of many-hands; null
 * outside a course.
 */
export function courseFolder(from: string = process.cwd()): string | null {
  for (let folder = from; ; folder = dirname(folder)) {
    try {
      const found: unknown = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
      if ((found as {name?: unknown} | null)?.name === 'many-hands') return folder;
    } catch {
      // No package.json here, or one that is not ours to read.
    }
    if (dirname(folder) === folder) return null;
  }
}
