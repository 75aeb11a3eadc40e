/**
 * Set-up. Every npm command's way in: does the set-up that the command needs, then runs its
 * compiled program with its arguments.
 */
import {spawn} from 'node:child_process';
import {mkdtempSync, rmSync} from 'node:fs';
import {constants} from 'node:os';
import {join} from 'node:path';
import {openCarried, saveTo} from './carry.mjs';
import {endChildren} from './child.mjs';
import {command} from './command.mjs';
import {lock} from './lock.mjs';
import {paths} from './paths.mjs';
import {SetupProblem, problemText} from './problem.mjs';
import {problemOfError} from './problems.mjs';
import {progress, say} from './say.mjs';
import {needs, prepare} from './steps.mjs';

/**
 * What to do when we are stopped half-way.
 * @type {(() => void) | null}
 */
let unfinished = null;
let commandRuns = false;

/**
 * Commands that are plain JavaScript as set-up is: they must run where nothing is compiled, or have
 * no use for it.
 */
const PLAIN = ['start', 'doctor'];

const QUICK = ['unit', 'engine', 'engine-alone'];
/**
 * The projects of `vitest.config.mts` that each test command runs.
 * @type {Record<string, string[]>}
 */
const TESTS = {
  test: QUICK,
  'test:system': ['system'],
  'test:full': [...QUICK, 'system'],
};

function stopWell() {
  for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
    process.on(signal, () => {
      if (commandRuns) return; // The command has the signal too, and we wait for its end.
      endChildren();
      unfinished?.();
      say('\nSet-up was stopped; the next one does again what was not finished.');
      process.exit(128 + constants.signals[signal]);
    });
  }
}

/**
 * Runs a program to its end with our own terminal; resolves to its exit code.
 * @param {string[]} args of node
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Promise<number>}
 */
function run(args, env = process.env) {
  commandRuns = true;
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, {stdio: 'inherit', env});
    for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
      // A terminal sends Ctrl-C to both of us; from elsewhere only we get it.
      process.on(signal, () => {
        if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal);
      });
    }
    child.on('error', reject);
    child.on('close', (code, signal) =>
      resolve(code ?? 128 + (signal ? constants.signals[signal] : 1)),
    );
  });
}

/**
 * Where the person typed the command: npm runs it in the clone's folder and keeps theirs in
 * INIT_CWD; npx runs it where it was typed.
 * @param {string} verb
 */
function typedIn(verb) {
  const {npm_lifecycle_event: script, INIT_CWD: folder} = process.env;
  return (script === verb && folder) || process.cwd();
}

/**
 * @param {string} verb
 * @param {string[]} args
 * @param {ReturnType<typeof paths>} at
 */
async function runVerb(verb, args, at) {
  const folder = typedIn(verb);
  // npx starts us where it was typed: a clone's own commands run in the clone, as through npm.
  if (!at.isPackage) process.chdir(at.root);
  if (Object.hasOwn(TESTS, verb)) {
    const env = verb === 'test:full' ? {...process.env, MANY_HANDS_FULL: '1'} : process.env;
    const folders = ['scripts', 'tests'];
    const types = await Promise.all(
      folders.map((folder) =>
        run([
          join(at.modules, 'typescript', 'bin', 'tsc'),
          '-p',
          join(at.root, folder, 'tsconfig.json'),
        ]),
      ),
    );
    const wrong = folders.filter((_, i) => types[i] !== 0);
    if (wrong.length > 0) {
      say(`These do not pass the type check, so no test was run: ${wrong.join(', ')}.`);
      return 1;
    }
    const projects = TESTS[verb].flatMap((name) => ['--project', name]);
    return run([join(at.modules, 'vitest', 'vitest.mjs'), 'run', ...projects, ...args], env);
  }
  if (verb === 'check') return runCheck(at);
  if (verb === 'docs') return run([join(at.modules, 'typedoc', 'bin', 'typedoc'), ...args]);
  if (PLAIN.includes(verb)) return run([join(at.root, 'scripts', `${verb}.mjs`), ...args]);
  const env = {...process.env, MANY_HANDS_TYPED_IN: folder};
  return run([join(at.build, 'scripts', `${verb}.js`), ...args], env);
}

/**
 * `npm run check`: the types of lib, scripts and tests, the linter and formatter, and what nothing
 * uses. All of them run, so that one run shows all that is wrong; 1 where one of them failed.
 * @param {ReturnType<typeof paths>} at
 */
async function runCheck(at) {
  const checks = [
    ['types of lib and scripts', 'typescript/bin/tsc', '-p', 'tsconfig.json', '--noEmit'],
    ['types of set-up', 'typescript/bin/tsc', '-p', 'scripts/tsconfig.json'],
    ['types of tests', 'typescript/bin/tsc', '-p', 'tests/tsconfig.json'],
    ['lint and format', '@biomejs/biome/bin/biome', 'ci', '.'],
    ['unused code', 'knip/bin/knip.js'],
  ];
  const failed = [];
  for (const [name, program, ...args] of checks) {
    say(`== ${name}`);
    if ((await run([join(at.modules, program), ...args])) !== 0) failed.push(name);
  }
  say(
    failed.length ? `npm run check failed: ${failed.join(', ')}.` : 'npm run check: all is well.',
  );
  return failed.length ? 1 : 0;
}

/**
 * `npm run setup -- [--from FOLDER] [--save-to FOLDER] [--again]`.
 * @param {string[]} args
 * @param {ReturnType<typeof paths>} at
 */
function setupOptions(args, at) {
  const options = {
    from: /** @type {string | null} */ (null),
    saveTo: /** @type {string | null} */ (null),
    again: false,
  };
  const usage = command(
    'setup',
    at.isPackage ? '[--from FOLDER] [--again]' : '[--from FOLDER] [--save-to FOLDER] [--again]',
  );
  for (let i = 0; i < args.length; i++) {
    const [name, glued] = args[i].split(/=(.*)/s);
    if (name === '--again') {
      options.again = true;
      continue;
    }
    if (name !== '--from' && (name !== '--save-to' || at.isPackage))
      throw new SetupProblem('usage', `setup does not know '${args[i]}'.`, usage);
    const value = glued ?? args[++i];
    if (!value || value.startsWith('--'))
      throw new SetupProblem('usage', `${name} needs a folder.`, usage);
    options[name === '--from' ? 'from' : 'saveTo'] = value;
  }
  return options;
}

/**
 * @param {string[]} args
 * @param {ReturnType<typeof paths>} at
 */
async function setup(args, at) {
  const options = setupOptions(args, at);
  const from = options.from === null ? null : openCarried(options.from, at);
  const wanted = {at, verb: 'setup', wantsEngine: wantsEngine(), from};
  const some = await prepare(wanted, {again: options.again, onEnd: (end) => (unfinished = end)});
  if (options.saveTo !== null) {
    const release = await lock(join(at.setup, 'lock'));
    const work = mkdtempSync(join(at.setup, 'work-'));
    unfinished = () => {
      rmSync(work, {recursive: true, force: true});
      release();
    };
    const line = progress('downloads');
    try {
      const folder = await saveTo({...wanted, work}, options.saveTo, line.update);
      line.done();
      say(
        `All downloads lie in ${folder}. On a machine like this one: ${command('setup', '--from FOLDER')}`,
      );
    } finally {
      unfinished();
    }
  }
  unfinished = null;
  const next = at.isPackage
    ? `a program that says import {trainParallel} from 'many-hands'`
    : command('start');
  say(
    `${some ? 'Set-up is done. Everything works without a network now.' : 'Everything is set up.'} Next: ${next}`,
  );
  return 0;
}

function wantsEngine() {
  return process.env.MANY_HANDS_ENGINE !== 'javascript';
}

/**
 * What `npx many-hands --help` prints.
 * @param {ReturnType<typeof paths>} at
 */
function help(at) {
  const rows = [
    [
      command('setup'),
      'fetches TensorFlow and compiles its engine, once; what is done already takes no time',
    ],
    [
      command('setup', '--from FOLDER'),
      'the same without a network: from what --save-to kept, or (for a package) from a clone that is set up',
    ],
    [command('setup', '--again'), 'makes it anew'],
    [
      command('doctor', '[--json]'),
      'what is there and what is missing, a line each, with the command that mends it',
    ],
    [
      command('plan', '--spec FILE [--json]'),
      "plans a transformer's training from numbers alone; nothing is run",
    ],
  ];
  const width = Math.max(...rows.map(([typed]) => typed.length));
  const others = Object.keys(needs(at)).filter(
    (name) => !['setup', 'doctor', 'plan'].includes(name),
  );
  const lines = rows.map(([typed, what]) => `${typed.padEnd(width)}  ${what}\n`);
  if (others.length > 0) lines.push(`and, after npm run or npx many-hands: ${others.join(', ')}\n`);
  return lines.join('');
}

/**
 * @param {string[]} argv the command, then its arguments
 * @returns {Promise<number>} the exit code
 */
export async function main([verb, ...args]) {
  const at = paths();
  if (verb === '--help' || verb === '-h') {
    process.stdout.write(help(at));
    return 0;
  }
  if (!verb || !Object.hasOwn(needs(at), verb)) {
    say(
      verb
        ? `There is no command '${verb}'; there are: ${Object.keys(needs(at)).join(', ')}.`
        : help(at).trimEnd(),
    );
    return 2;
  }
  stopWell();
  try {
    if (verb === 'setup' && args.some((arg) => arg === '--help' || arg === '-h')) {
      process.stdout.write(help(at));
      return 0;
    }
    if (verb === 'setup') return await setup(args, at);
    await prepare(
      {at, verb, wantsEngine: wantsEngine(), from: null},
      {onEnd: (end) => (unfinished = end)},
    );
    unfinished = null;
  } catch (error) {
    unfinished = null;
    const problem = error instanceof SetupProblem ? error : problemOfError(error, at.root);
    if (!problem) throw error;
    say(`\n${problemText(problem)}\n`);
    return problem.id === 'usage' ? 2 : 1;
  }
  return runVerb(verb, args, at);
}
