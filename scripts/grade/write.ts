/**
 * Writes the report folder: whole or not at all.
 */
import {createHash} from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import {basename, dirname, isAbsolute, join, relative} from 'node:path';
import {ManyHandsError} from '../../lib/base/errors';

/** The files of a report, by their path inside it. */
export type Report = ReadonlyMap<string, string>;

const own = ['grades.csv', 'results.json', 'feedback'];

/**
 * Throws BAD_OPTION where a report at `out` would put other files in danger, before anything is
 * graded.
 */
export function checkOut(out: string, submissions: string): void {
  const [target, source] = [realOf(out), realOf(submissions)];
  const inside = relative(source, target);
  if (inside === '' || (!inside.startsWith('..') && !isAbsolute(inside))) {
    throw new ManyHandsError(
      'BAD_OPTION',
      `--out ${out} lies inside the submissions, so the next grading would take it for a learner. Name a folder next to them.`,
    );
  }
  if (!existsSync(out)) return;
  if (!lstatSync(target).isDirectory())
    throw new ManyHandsError('BAD_OPTION', `--out ${out} is a file. Name a folder.`);
  const foreign = readdirSync(out).find((name) => !own.includes(name));
  if (foreign !== undefined) {
    throw new ManyHandsError(
      'BAD_OPTION',
      `--out ${out} holds ${foreign}, which is no part of a report; a report replaces its whole folder. Name a new or empty one.`,
    );
  }
}

/** The path without links, also where its end does not exist yet. */
function realOf(path: string): string {
  if (existsSync(path)) return realpathSync(path);
  if (dirname(path) === path) return path;
  return join(realOf(dirname(path)), basename(path));
}

/**
 * Writes the report next to `out` and then renames it to `out`: a reader sees the old one or the
 * new one.
 */
export function writeReport(out: string, report: Report): void {
  const target = realOf(out);
  mkdirSync(dirname(target), {recursive: true});
  const fresh = mkdtempSync(join(dirname(target), `.${basename(target)}-`));
  const old = `${fresh}-old`;
  try {
    for (const [file, content] of report) {
      mkdirSync(dirname(join(fresh, file)), {recursive: true});
      writeFileSync(join(fresh, file), content);
    }
    if (existsSync(target)) renameSync(target, old);
    try {
      renameSync(fresh, target);
    } catch (error) {
      if (existsSync(old)) renameSync(old, target);
      throw error;
    }
  } finally {
    rmSync(fresh, {recursive: true, force: true});
    rmSync(old, {recursive: true, force: true});
  }
}

/**
 * A file name for each learner's page: the learner's own name where a file system takes it, and
 * never one name for two.
 */
export function pageNames(learners: readonly string[]): string[] {
  const taken = new Set<string>();
  return learners.map((learner) => {
    let stem = learner
      .replace(/[\\/:*?"<>|\p{C}]/gu, '_')
      .replace(/^\.+/, '_')
      .replace(/[. ]+$/, '_');
    const folded = (): string => stem.normalize('NFC').toLowerCase();
    if (Buffer.byteLength(stem) > 200 || taken.has(folded())) {
      stem = `${[...stem].slice(0, 40).join('')}-${createHash('sha256').update(learner).digest('hex').slice(0, 8)}`;
    }
    taken.add(folded());
    return `${stem}.html`;
  });
}
