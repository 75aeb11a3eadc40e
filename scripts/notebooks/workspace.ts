/**
 * The caller's side, scripts only. A copy of notebooks to run: the stored ones are not written to,
 * and neither are the answers of the learner whose clone it is (an answer goes to the nearest
 * folder above it whose package.json is ours).
 */
import * as fs from 'node:fs';
import * as path from 'node:path';
import {courseRoot} from '../root';

export interface Workspace {
  /** Stands for the course's folder; `answers/` comes here. */
  root: string;
  /** Stands for `notebooks/`. */
  folder: string;
  remove(): void;
}

/**
 * Copies notebooks, and for those of the course also the other files of their folder, to a new
 * folder below `build/`.
 */
export function makeWorkspace(files: readonly string[]): Workspace {
  const course = courseRoot();
  // Below the course, so that packages and their types are found as they are from notebooks/.
  const base = path.join(course, 'build', 'run');
  fs.mkdirSync(base, {recursive: true});
  sweep(base);
  const root = fs.mkdtempSync(path.join(base, `course-${process.pid}-`));
  const folder = path.join(root, 'notebooks');
  fs.mkdirSync(folder);
  // No "exports" here: 'many-hands' must mean the real package in node_modules.
  fs.writeFileSync(
    path.join(root, 'package.json'),
    `${JSON.stringify({name: 'many-hands', private: true})}\n`,
  );
  const own = path.join(course, 'notebooks');
  if (files.some((file) => path.dirname(path.resolve(file)) === own)) {
    const isNoNotebook = (source: string): boolean =>
      !/(\.ipynb|\.ipynb_checkpoints)$/.test(source);
    fs.cpSync(own, folder, {recursive: true, filter: isNoNotebook});
  }
  for (const file of files) fs.copyFileSync(file, path.join(folder, path.basename(file)));
  return {root, folder, remove: () => fs.rmSync(root, {recursive: true, force: true})};
}

/** Removes what runs that were killed could not remove themselves. */
function sweep(base: string): void {
  for (const name of fs.readdirSync(base)) {
    const pid = Number(/^course-(\d+)-/.exec(name)?.[1] ?? 0);
    if (pid > 0 && !isRunning(pid))
      fs.rmSync(path.join(base, name), {recursive: true, force: true});
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
