/** Where the course lies on this machine, and its Python. */
import * as fs from 'node:fs';
import * as path from 'node:path';
import {courseFolder} from '../lib/base/courseFolder';

/** The folder of the course, or of the installed package, that these compiled scripts belong to. */
export function courseRoot(): string {
  const folder = courseFolder(__dirname);
  if (folder === null)
    throw new Error(
      `No package.json of many-hands stands above ${__dirname}: run this from a clone of the course.`,
    );
  return folder;
}

/** The Python of the course's own environment, which set-up makes. */
export function coursePython(root = courseRoot()): string {
  const python = path.join(root, '.venv', 'bin', 'python');
  if (!fs.existsSync(python))
    throw new Error(
      `The course's Python environment is not there (${path.relative(process.cwd(), python)}): run  npm run setup  first.`,
    );
  return python;
}
