/**
 * The caller's side. `npm run notebooks`: checks the stored notebooks, then runs every cell in the
 * real kernel.
 */
import * as path from 'node:path';
import {messageOf} from '../lib/base/errors';
import {
  exitWith,
  print,
  runCommand,
  typedPath,
  wrongUse,
  type Streams,
  type Values,
} from './command';
import {readNotebook, writeNotebook} from './notebookFile';
import {chooseNotebooks} from './notebooks/choose';
import {linesOf, resultOf, tableOf, type Result} from './notebooks/report';
import {storedProblems} from './notebooks/rules';
import {runNotebook, type Problem} from './notebooks/run';
import {stripped} from './notebooks/strip';
import {findTraps} from './notebooks/traps';
import {courseRoot} from './root';

const help = `Checks the course's notebooks, then runs every cell of each in the real kernel, in order, on copies.

  npm run notebooks                      all of them
  npm run notebooks -- 00 14-practice    these; a path is taken as well

  --check               only check the stored notebooks; run nothing
  --strip               make them as they are to be stored: no outputs, no counts, nothing left by JupyterLab
  --keep-going          go on after a failed cell, to see all failures
  --cell-seconds N      a cell that takes longer hangs, and fails: 180 at COURSE_SCALE=ci and cpu, 1200 at gpu
  --notebook-seconds N  the budget of one notebook: 45 at COURSE_SCALE=ci, none at cpu and gpu. The table says which
                        notebook is over its budget. That is no failure: machines differ
  --out FOLDER          for the executed copies: build/notebooks
  --json                one JSON object on stdout

COURSE_SCALE is ci unless it is set. Exit code: 0 all passed; 1 at least one failed; 2 wrong use.
`;

const scales = ['ci', 'cpu', 'gpu'] as const;
type Scale = (typeof scales)[number];

interface Settings {
  files: string[];
  scale: Scale;
  check: boolean;
  strip: boolean;
  keepGoing: boolean;
  cellMs: number;
  notebookMs: number | null;
  out: string;
  json: boolean;
}

const options = {
  check: {type: 'boolean'},
  strip: {type: 'boolean'},
  'keep-going': {type: 'boolean'},
  'cell-seconds': {type: 'string'},
  'notebook-seconds': {type: 'string'},
  out: {type: 'string'},
  json: {type: 'boolean'},
} as const;

function settingsOf(values: Values<typeof options>, words: readonly string[]): Settings {
  const scale = (process.env.COURSE_SCALE || 'ci') as Scale;
  if (!scales.includes(scale))
    throw wrongUse(`COURSE_SCALE is '${scale}'; it may be ci, cpu or gpu.`);
  const seconds = (
    name: 'cell-seconds' | 'notebook-seconds',
    standard: number | null,
  ): number | null => {
    if (values[name] === undefined) return standard === null ? null : standard * 1000;
    const given = Number(values[name]);
    if (!(given > 0))
      throw wrongUse(
        `--${name} is '${values[name]}'; it takes a number of seconds above 0, such as --${name} 60.`,
      );
    return given * 1000;
  };
  return {
    files: chooseNotebooks(words),
    scale,
    check: values.check ?? false,
    strip: values.strip ?? false,
    keepGoing: values['keep-going'] ?? false,
    json: values.json ?? false,
    cellMs: seconds('cell-seconds', scale === 'gpu' ? 1200 : 180)!,
    notebookMs: seconds('notebook-seconds', scale === 'ci' ? 45 : null),
    out:
      values.out === undefined
        ? path.join(courseRoot(), 'build', 'notebooks')
        : typedPath(values.out),
  };
}

/** A notebook's problems as it is stored, or the one that it cannot be read. */
function checked(file: string): {problems: Problem[]; readable: boolean} {
  try {
    const {notebook} = readNotebook(file);
    return {problems: [...storedProblems(notebook, file), ...findTraps(notebook)], readable: true};
  } catch (error) {
    return {problems: [{rule: 'unreadable', message: messageOf(error)}], readable: false};
  }
}

async function runAll(
  settings: Settings,
  signal: AbortSignal,
  say: (line: string) => void,
): Promise<Result[]> {
  const results: Result[] = [];
  for (const file of settings.files) {
    if (signal.aborted) break;
    const {problems, readable} = checked(file);
    const run =
      settings.check || !readable
        ? null
        : await runNotebook(file, {
            ...settings,
            env: {...process.env, COURSE_SCALE: settings.scale},
            signal,
          });
    const result = resultOf(file, problems, run, settings.notebookMs);
    results.push(result);
    for (const line of linesOf(result)) say(line);
  }
  return results;
}

/** Runs the command; resolves to its exit code. */
export function main(argv: readonly string[], streams?: Streams): Promise<number> {
  return runCommand({name: 'notebooks', help, options, takesWords: true, run}, argv, streams);
}

async function run(
  {values, words}: {values: Values<typeof options>; words: string[]},
  {stdout, stderr}: Streams,
): Promise<number> {
  const settings = settingsOf(values, words);
  const {json, scale} = settings;
  if (settings.strip) {
    for (const file of settings.files)
      writeNotebook(file, stripped(readNotebook(file).notebook, path.basename(file, '.ipynb')));
    await print(stdout, `${settings.files.length} notebooks are as they are to be stored.\n`);
    return 0;
  }
  const stop = new AbortController();
  let signalled = 0;
  for (const [name, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const) {
    process.on(name, () => {
      if (!signalled) stderr.write('\nStopping: the kernel is being ended.\n');
      signalled = code;
      stop.abort();
    });
  }
  const lines = json ? stderr : stdout;
  const results = await runAll(settings, stop.signal, (line) => lines.write(`${line}\n`));
  const failed = results.filter(({status}) => status === 'failed').length;
  const passed = results.length - failed;
  if (!settings.check) lines.write(`\n${tableOf(results)}\n\n`);
  await print(
    stdout,
    json
      ? `${JSON.stringify({scale, notebooks: results, passed, failed})}\n`
      : `${passed} passed, ${failed} failed\n`,
  );
  return signalled || (failed > 0 ? 1 : 0);
}

if (require.main === module) exitWith(main(process.argv.slice(2)));
