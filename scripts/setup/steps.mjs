/**
 * Set-up. Its steps in their order, which of them a command needs, and how they are run: announced,
 * one set-up at a time, each whole or not at all.
 */
import {existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statfsSync} from 'node:fs';
import {join} from 'node:path';
import {compile} from './compile.mjs';
import {engine} from './engine.mjs';
import {kernelspec} from './kernelspec.mjs';
import {lock} from './lock.mjs';
import {packages} from './packages.mjs';
import {diskFull, problemOfError} from './problems.mjs';
import {python} from './python.mjs';
import {megabytes, progress, say} from './say.mjs';

/**
 * @typedef {object} Context
 * @property {import('./paths.mjs').Paths} at
 * @property {string} verb the command that set-up is for
 * @property {boolean} wantsEngine false where MANY_HANDS_ENGINE says JavaScript
 * @property {import('./carry.mjs').Carried | null} from a folder to take the downloads from
 * @property {string} work a folder for this run alone, on the clone's own disk
 */
/**
 * @typedef {object} Step
 * @property {string} name
 * @property {(context: Context) => number} download bytes
 * @property {(context: Context) => number} disk bytes that stay
 * @property {(context: Context) => number} [scratch] bytes that it needs for a while besides
 * @property {(context: Context) => boolean} done quick, and true only of what is whole
 * @property {(context: Context) => void} [mend] what takes no time and no network: a link, a copy,
 * a moved clone
 * @property {() => Promise<unknown>} [before] throws where the step cannot succeed here; asked
 * before anything is downloaded
 * @property {(context: Context, tell: (text: string) => void) => Promise<string | void>} make whole
 * or not at all; may resolve to a note
 */

/** @type {Record<string, Step>} */
const STEPS = {packages, compile, python, engine, kernelspec};
const ALL = Object.values(STEPS);
const COMPILED = [packages, compile];

/**
 * The steps that a command needs. Grading reads notebooks and planning numbers, both run nothing,
 * and the doctor looks at a clone as it is.
 * @type {Record<string, Step[]>}
 */
const NEEDS = {
  start: ALL,
  setup: ALL,
  test: ALL,
  'test:system': ALL,
  'test:full': ALL,
  notebooks: ALL,
  bench: ALL,
  doctor: [],
  quizzes: COMPILED,
  grade: COMPILED,
  plan: COMPILED,
  docs: COMPILED,
  check: COMPILED,
  mutate: ALL,
  fuzz: ALL,
};

/**
 * The same for an installed package: npm has brought the packages, the library and the planner of
 * specs are in it compiled, and it runs no notebooks.
 * @type {Record<string, Step[]>}
 */
const PACKAGE_NEEDS = {setup: [engine], doctor: [], plan: []};

/**
 * The commands that there are, with the steps that each needs.
 * @param {Context['at']} at
 */
export const needs = (at) => (at.isPackage ? PACKAGE_NEEDS : NEEDS);

/**
 * @param {string} folder
 * @returns {number} bytes that we may still write there
 */
function freeBytes(folder) {
  const {bavail, bsize} = statfsSync(folder);
  return bavail * bsize;
}

/**
 * Throws where `needed` bytes do not fit on the disk of `folder`.
 * @param {string} folder
 * @param {number} needed
 */
export function checkSpace(folder, needed) {
  const free = freeBytes(folder);
  if (free < needed) throw diskFull(folder, needed, free);
}

/**
 * Before anything is downloaded: what comes, what stays, and whether it fits.
 * @param {Step[]} todo
 * @param {Context} context
 */
function announce(todo, context) {
  const {root} = context.at;
  const rows = todo.map((step) => ({
    name: step.name,
    download: context.from ? 0 : step.download(context),
    disk: step.disk(context),
  }));
  const download = rows.reduce((sum, row) => sum + row.download, 0);
  const disk = rows.reduce((sum, row) => sum + row.disk, 0);
  const scratch = Math.max(0, ...todo.map((step) => step.scratch?.(context) ?? 0));
  const free = freeBytes(root);
  if (disk > 20e6) {
    say(`Set-up of Many Hands in ${root}, once:\n`);
    say(`  ${'step'.padEnd(24)} ${'download'.padStart(10)} ${'on disk'.padStart(10)}`);
    for (const row of rows)
      say(
        `  ${row.name.padEnd(24)} ${megabytes(row.download).padStart(10)} ${megabytes(row.disk).padStart(10)}`,
      );
    say(
      `  ${'in all'.padEnd(24)} ${megabytes(download).padStart(10)} ${megabytes(disk).padStart(10)}   (free there: ${megabytes(free)})\n`,
    );
  }
  checkSpace(root, disk + scratch);
}

/**
 * Work folders of set-ups that are gone.
 * @param {string} folder
 */
function sweep(folder) {
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    if (name.startsWith('work-')) rmSync(join(folder, name), {recursive: true, force: true});
  }
}

/**
 * Does what of a command's set-up is not done yet.
 * @param {Omit<Context, 'work'>} wanted
 * @param {{again?: boolean, onEnd?: (end: () => void) => void}} [options] `again` makes every step
 * anew; `onEnd` gets what to do when we are stopped
 * @returns {Promise<boolean>} whether there was anything to do
 */
export async function prepare(wanted, {again = false, onEnd = () => {}} = {}) {
  const {at, verb} = wanted;
  const steps = needs(at)[verb];
  const look = () => steps.filter((step) => !step.done({...wanted, work: ''}));
  if (!again && look().length === 0) return false;
  const folder = at.setup;
  try {
    const release = await lock(join(folder, 'lock'), ({pid}) =>
      say(
        `Another set-up of this ${at.isPackage ? 'package' : 'clone'} is running (process ${pid}); this one goes on when that is done.`,
      ),
    );
    const end = () => {
      sweep(folder);
      release();
    };
    onEnd(end);
    try {
      sweep(folder);
      for (const step of steps) step.mend?.({...wanted, work: ''});
      const todo = again ? steps : look();
      if (todo.length === 0) return true;
      for (const step of todo) await step.before?.();
      mkdirSync(folder, {recursive: true});
      const context = {...wanted, work: mkdtempSync(join(folder, 'work-'))};
      announce(todo, context);
      await make(todo, context);
      return true;
    } finally {
      end();
    }
  } catch (error) {
    throw problemOfError(error, at.root) ?? error;
  }
}

/**
 * @param {Step[]} todo
 * @param {Context} context
 */
async function make(todo, context) {
  for (const [i, step] of todo.entries()) {
    const line = progress(`[${i + 1}/${todo.length}] ${step.name}`);
    try {
      const note = await step.make(context, line.update);
      line.done(note ? 'not made' : 'done');
      if (note) say(`  ${note}`);
    } catch (error) {
      line.failed();
      throw error;
    }
    // What a later step wiped, such as the addon in new packages, an earlier one puts back.
    for (const other of needs(context.at)[context.verb]) other.mend?.(context);
  }
}
