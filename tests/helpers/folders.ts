/** Folders for tests to write in. */
import {mkdtempSync, realpathSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';

const made: string[] = [];

/** A fresh folder with `name` in its name. It is removed after the file of tests that made it. */
export function temporaryFolder(name: string): string {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), `many-hands-${name}-`)));
  made.push(folder);
  return folder;
}

/** What the setup of every project does after each file. */
export function removeFolders(): void {
  for (const folder of made.splice(0)) rmSync(folder, {recursive: true, force: true});
}
