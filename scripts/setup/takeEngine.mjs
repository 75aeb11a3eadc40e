/**
 * Set-up. The engine of a clone on the same machine, taken by a package: its libraries as they are,
 * without a download; the addon is compiled anew.
 */
import {copyFileSync, linkSync, mkdirSync} from 'node:fs';
import {dirname, join, relative} from 'node:path';
import {filesBelow, readStamp} from './stamps.mjs';

/** Where an engine's stamp lies. @param {string} engine */
export const stampOf = (engine) => join(engine, 'many-hands.json');

/**
 * The engine of a clone, or of a folder where the package is installed and set up; null where there
 * is none.
 * @param {string} folder
 */
export function builtEngine(folder) {
  return (
    [
      join(folder, 'build', 'engine'),
      join(folder, 'node_modules', 'many-hands', 'build', 'engine'),
    ].find((engine) => readStamp(stampOf(engine)) !== null) ?? null
  );
}

/**
 * Links what lies in an engine into a fresh folder: the files are replaced, never written into, so
 * two engines may share them.
 * @param {string} engine
 * @param {string} fresh
 */
export function linkEngine(engine, fresh) {
  for (const part of ['tensorflow', 'nvidia']) {
    for (const file of filesBelow(join(engine, part), /./)) {
      const target = join(fresh, relative(engine, file));
      mkdirSync(dirname(target), {recursive: true});
      try {
        linkSync(file, target);
      } catch {
        copyFileSync(file, target); // Another disk, or one without links.
      }
    }
  }
}
