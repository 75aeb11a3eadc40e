/** The caller's side, scripts only. Where the course lies on this machine, and its Python. */
import * as fs from 'node:fs';
import * as path from 'node:path';

/**
 * The folder of the course: the nearest one above the compiled scripts whose package.json is ours.
 */
export function courseRoot(): string {
  for (let folder = __dirname; ; folder = path.dirname(folder)) {
    const file = path.join(folder, 'package.json');
    if (
      fs.existsSync(file) &&
      (JSON.parse(fs.readFileSync(file, 'utf8')) as {name?: string}).name === 'many-hands'
    )
      return folder;
    if (path.dirname(folder) === folder)
      throw new Error(
        `No package.json of many-hands stands above ${__dirname}: run this from a clone of the course.`,
      );
  }
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
