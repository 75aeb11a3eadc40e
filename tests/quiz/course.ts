/**
 * What quiz tests share: a folder that passes for a course, as the working directory, and what is
 * printed meanwhile.
 */
import {mkdtempSync, mkdirSync, realpathSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';

/** Makes a course folder with a notebooks/ inside and works there until `leave` is called. */
export function enterCourse(name = 'many-hands'): {root: string; leave: () => void} {
  const before = process.cwd();
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'course-')));
  writeFileSync(join(root, 'package.json'), JSON.stringify({name}));
  mkdirSync(join(root, 'notebooks'));
  process.chdir(join(root, 'notebooks'));
  return {
    root,
    leave: () => {
      process.chdir(before);
      rmSync(root, {recursive: true, force: true});
    },
  };
}
