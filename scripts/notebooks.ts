/**
 * The caller's side. `npm run notebooks`: checks the stored notebooks, then runs every cell in the
 * real kernel.
 */
import * as path from 'node:path';
import {parseArgs} from 'node:util';
import {messageOf} from '../lib/base/errors';
import {chooseNotebooks, UsageError} from './notebooks/choose';
import {readNotebook, writeNotebook} from './notebooks/notebookFile';
import {linesOf, resultOf, type Result} from './notebooks/report';
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
  --cell-seconds N      for one cell: 30 at COURSE_SCALE=ci and cpu, 600 at gpu
  --notebook-seconds N  for one notebook: 45 at COURSE_SCALE=ci, no limit at cpu and gpu
  --out FOLDER          for the executed copies: build/notebooks
  --json                one JSON object on stdout

COURSE_SCALE is ci unless it is set. Exit code: 0 all passed; 1 one failed; 2 wrong use.
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

function settingsOf(argv: readonly string[]): Settings | 'help' {
  const {values, positionals} = parseArgs({
    args: [...argv],
    allowPositionals: true,
    options: {
      check: {type: 'boolean', default: false},
      strip: {type: 'boolean', default: false},
      'keep-going': {type: 'boolean', default: false},
      'cell-seconds': {type: 'string'},
      'notebook-seconds': {type: 'string'},
      out: {type: 'string'},
      json: {type: 'boolean', default: false},
      help: {type: 'boolean', short: 'h', default: false},
    },
  });
  if (values.help) return 'help';
  const scale = (process.env['COURSE_SCALE'] || 'ci') as Scale;
  if (!scales.includes(scale))
    throw new UsageError(`COURSE_SCALE is '${scale}'; it may be ci, cpu or gpu.`);
  const seconds = (
    name: 'cell-seconds' | 'notebook-seconds',
    standard: number | null,
  ): number | null => {
    if (values[name] === undefined) return standard === null ? null : standard * 1000;
    const given = Number(values[name]);
    if (!(given > 0))
      throw new UsageError(
        `--${name} is '${values[name]}'; it takes a number of seconds above 0, such as --${name} 60.`,
      );
    return given * 1000;
  };
  return {
    files: chooseNotebooks(positionals),
    scale,
    check: values.check,
    strip: values.strip,
    keepGoing: values['keep-going'],
    json: values.json,
    cellMs: seconds('cell-seconds', scale === 'gpu' ? 600 : 30)!,
    notebookMs: seconds('notebook-seconds', scale === 'ci' ? 45 : null),
    out: path.resolve(values.out ?? path.join(courseRoot(), 'build', 'notebooks')),
  };
}

/** A notebook's problems as it is stored, or the one that it cannot be read. */
function checked(file: string): {problems: Problem[]; readable: boolean} {
  try {
    const notebook = readNotebook(file);
    return {problems: [...storedProblems(notebook, file), ...findTraps(notebook)], readable: true};
  } catch (error) {
    return {problems: [{rule: 'unreadable', message: messageOf(error)}], readable: false};
  }
}

async function runAll(settings: Settings, signal: AbortSignal): Promise<Result[]> {
  const say = (line: string): void =>
    void (settings.json ? process.stderr : process.stdout).write(`${line}\n`);
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
    const result = resultOf(file, problems, run);
    results.push(result);
    for (const line of linesOf(result)) say(line);
  }
  return results;
}

/** Runs the command; resolves to its exit code. */
export async function main(argv: readonly string[]): Promise<number> {
  let settings: Settings | 'help';
  try {
    settings = settingsOf(argv);
  } catch (error) {
    process.stderr.write(`${messageOf(error)}\n`);
    return error instanceof UsageError ||
      String((error as {code?: unknown}).code).startsWith('ERR_PARSE_ARGS')
      ? 2
      : 1;
  }
  if (settings === 'help') {
    process.stdout.write(help);
    return 0;
  }
  if (settings.strip) {
    for (const file of settings.files)
      writeNotebook(file, stripped(readNotebook(file), path.basename(file, '.ipynb')));
    process.stdout.write(`${settings.files.length} notebooks are as they are to be stored.\n`);
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
      if (!signalled) process.stderr.write('\nStopping: the kernel is being ended.\n');
      signalled = code;
      stop.abort();
    });
  }
  const results = await runAll(settings, stop.signal);
  const failed = results.filter(({status}) => status === 'failed').length;
  const {json, scale} = settings;
  if (json)
    process.stdout.write(
      `${JSON.stringify({scale, notebooks: results, passed: results.length - failed, failed})}\n`,
    );
  else process.stdout.write(`${results.length - failed} passed, ${failed} failed\n`);
  return signalled || (failed > 0 ? 1 : 0);
}

if (require.main === module) {
  // `npm run notebooks | head`: the reader is gone, the kernel still has to be ended.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  main(process.argv.slice(2)).then(
    (code) => (process.exitCode = code),
    (error: unknown) => {
      process.stderr.write(`${messageOf(error)}\n`);
      process.exitCode = 1;
    },
  );
}
