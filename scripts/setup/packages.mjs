/**
 * Set-up, step 1. npm's packages as package-lock.json names them, without their install scripts;
 * and `many-hands` itself among them.
 */
import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import {basename, join} from 'node:path';
import {runTool} from './child.mjs';

/** @typedef {import('./steps.mjs').Context} Context */
/** @typedef {{version?: string, optional?: boolean, link?: boolean}} Entry */

/**
 * @param {string} file
 * @returns {Record<string, Entry> | null}
 */
function entriesOf(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8')).packages;
  } catch {
    return null;
  }
}

/**
 * npm writes this list last, so an installation that was interrupted has none.
 * @param {string} modules
 */
const listOf = (modules) => join(modules, '.package-lock.json');

/**
 * The first package that the lock names and that is not here in its version; null where all are.
 * @param {Context} context
 */
function missing({at}) {
  const want = entriesOf(join(at.root, 'package-lock.json')) ?? {};
  const have = entriesOf(listOf(at.modules));
  if (!have) return 'node_modules';
  for (const [path, {version, optional, link}] of Object.entries(want)) {
    if (path === '' || link) continue;
    if (
      have[path]
        ? have[path].version !== version || !existsSync(join(at.root, path, 'package.json'))
        : !optional
    )
      return path;
  }
  return null;
}

/**
 * The name `many-hands` in node_modules, through which notebooks import the compiled library.
 * @param {Context['at']} at
 */
function linkSelf(at) {
  const link = join(at.modules, 'many-hands');
  const target = process.platform === 'win32' ? at.root : '..';
  try {
    if (lstatSync(link).isSymbolicLink() && readlinkSync(link) === target) return;
    rmSync(link, {recursive: true, force: true});
  } catch {
    // It is not there yet.
  }
  symlinkSync(target, link, 'junction');
}

/** How to start npm: the one that started us, or the one on PATH. */
export function npm() {
  const running = process.env.npm_execpath;
  if (running && /^npm-cli\.c?js$/.test(basename(running)) && existsSync(running))
    return {command: process.execPath, args: [running]};
  return {command: process.platform === 'win32' ? 'npm.cmd' : 'npm', args: []};
}

/**
 * Installs into `folder`/node_modules what the lock names.
 * @param {Context} context
 * @param {string} folder
 * @param {string[]} options more of npm's options
 * @param {(done: number, all: number) => void} [count]
 */
export async function install({at}, folder, options, count) {
  mkdirSync(folder, {recursive: true});
  for (const file of ['package.json', 'package-lock.json', '.npmrc'])
    copyFileSync(join(at.root, file), join(folder, file));
  const names = Object.entries(entriesOf(join(folder, 'package-lock.json')) ?? {})
    .filter(([path, {optional}]) => path !== '' && !optional)
    .map(([path]) => path);
  const {command, args} = npm();
  const patient = [
    '--fetch-retries=3',
    '--fetch-retry-mintimeout=1000',
    '--fetch-retry-maxtimeout=8000',
  ];
  await runTool(
    command,
    [
      ...args,
      'ci',
      '--ignore-scripts',
      '--include=dev',
      '--no-audit',
      '--no-fund',
      '--loglevel=warn',
      ...patient,
      ...options,
    ],
    {
      cwd: folder,
      what: 'The npm packages',
      folder: at.root,
      tick: () =>
        count?.(
          names.filter((path) => existsSync(join(folder, path, 'package.json'))).length,
          names.length,
        ),
    },
  );
}

/** @type {import('./steps.mjs').Step} */
export const packages = {
  name: 'npm packages',
  download: () => 175e6,
  disk: () => 550e6,
  done: (context) =>
    missing(context) === null && existsSync(join(context.at.modules, 'many-hands', 'package.json')),
  mend({at}) {
    if (existsSync(listOf(at.modules))) linkSelf(at);
  },
  async make(context, tell) {
    const {at, work, from} = context;
    const folder = join(work, 'packages');
    await install(context, folder, from ? await from.npmOptions(work) : [], (done, all) =>
      tell(`${done} of ${all} packages`),
    );
    // The old ones go only when the new ones are whole: a pull without a network leaves a clone
    // that still runs.
    const old = join(work, 'old-packages');
    if (existsSync(at.modules)) renameSync(at.modules, old);
    renameSync(join(folder, 'node_modules'), at.modules);
    linkSelf(at);
    rmSync(old, {recursive: true, force: true});
  },
};
