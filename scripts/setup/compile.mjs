/** Set-up, step 2. The library and the scripts, compiled from TypeScript into build/. */
import {existsSync, readFileSync, rmSync} from 'node:fs';
import {join, relative} from 'node:path';
import {ToolFailed, runTool} from './child.mjs';
import {SetupProblem} from './problem.mjs';
import {filesBelow, hashOf, readStamp, removeStamp, writeStamp} from './stamps.mjs';

/** @typedef {import('./steps.mjs').Context} Context */

const FOLDERS = ['lib', 'scripts'];

/** @param {Context['at']} at */
const stampOf = (at) => join(at.setup, 'compiled.json');

/** @param {Context['at']} at */
function sources(at) {
  return FOLDERS.flatMap((folder) => filesBelow(join(at.root, folder), /\.m?ts$/));
}

/**
 * What the compiled files depend on.
 * @param {Context['at']} at
 */
function inputs(at) {
  const lock = readStamp(join(at.root, 'package-lock.json'));
  const texts = [join(at.root, 'tsconfig.json'), ...sources(at)].flatMap((file) => [
    relative(at.root, file),
    readFileSync(file, 'utf8'),
  ]);
  return hashOf(
    lock?.packages?.['node_modules/typescript']?.version,
    lock?.packages?.['node_modules/@types/node']?.version,
    ...texts,
  );
}

/**
 * Compiled files whose source is gone.
 * @param {Context['at']} at
 */
function leftovers(at) {
  const compiled = new Set(
    sources(at).map((file) =>
      relative(at.root, file)
        .replace(/\.ts$/, '.js')
        .replace(/\.mts$/, '.mjs'),
    ),
  );
  return FOLDERS.flatMap((folder) => filesBelow(join(at.build, folder), /\.m?js$/)).filter(
    (file) => !compiled.has(relative(at.build, file)),
  );
}

/** @type {import('./steps.mjs').Step} */
export const compile = {
  name: 'compiled library',
  download: () => 0,
  disk: () => 5e6,
  done: ({at}) =>
    readStamp(stampOf(at))?.inputs === inputs(at) && existsSync(join(at.build, 'lib', 'index.js')),
  async make({at}) {
    const made = inputs(at);
    if (!existsSync(stampOf(at))) {
      // Without a stamp nobody knows what lies in build: the compiler must not trust what it
      // remembers of it.
      rmSync(join(at.build, 'tsconfig.tsbuildinfo'), {force: true});
    }
    removeStamp(stampOf(at));
    try {
      await runTool(
        process.execPath,
        [join(at.modules, 'typescript', 'bin', 'tsc'), '-p', join(at.root, 'tsconfig.json')],
        {cwd: at.root, what: 'The compiled library'},
      );
    } catch (error) {
      if (!(error instanceof ToolFailed)) throw error;
      throw new SetupProblem(
        'compile',
        `TypeScript found errors in lib/ or scripts/:\n${error.end.output.trim().split('\n').slice(0, 20).join('\n')}`,
        'git status lib scripts',
      );
    }
    for (const file of leftovers(at)) {
      for (const one of [file, `${file}.map`, file.replace(/\.(m?)js$/, '.d.$1ts')])
        rmSync(one, {force: true});
    }
    writeStamp(stampOf(at), {inputs: made});
  },
};
