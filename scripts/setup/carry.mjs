/**
 * Set-up. A folder that carries the downloads to machines without a network: filled by --save-to,
 * read by --from.
 */
import {accessSync, constants, cpSync, existsSync, readFileSync} from 'node:fs';
import {join, resolve} from 'node:path';
import {runTool} from './child.mjs';
import {command} from './command.mjs';
import {fits} from './engine.mjs';
import {install, npm} from './packages.mjs';
import {pythonEnvironment} from './paths.mjs';
import {TENSORFLOW, engineKind} from './platform.mjs';
import {SetupProblem} from './problem.mjs';
import {hashOf, readStamp, writeStamp} from './stamps.mjs';
import {builtEngine, stampOf} from './takeEngine.mjs';
import {downloadWheels, engineWheels} from './wheels.mjs';

/** @typedef {import('./steps.mjs').Context} Context */
/**
 * @typedef {{folder: string, engine: string | null, npmOptions(work: string): Promise<string[]>,
 * pipOptions(): string[]}} Carried
 */

const FORMAT = 'many-hands-downloads/1';
/** Every Python that the course runs on: the machines of a room need not have the same one. */
const PYTHONS = ['3.10', '3.11', '3.12', '3.13'];

/** @param {string} folder */
const noteOf = (folder) => join(folder, 'many-hands.json');

/** @param {Context['at']} at */
function contents(at) {
  const lock = at.isPackage
    ? null
    : hashOf(readFileSync(join(at.root, 'package-lock.json'), 'utf8'));
  return {
    lock,
    requirements: hashOf(readFileSync(at.requirements, 'utf8')),
    tensorflow: TENSORFLOW,
  };
}

/**
 * A folder as the person who typed it meant it: npm runs us in the clone's folder, wherever it was
 * started.
 * @param {string} folder
 */
function typedFolder(folder) {
  return resolve(process.env.INIT_CWD ?? process.cwd(), folder);
}

/**
 * Takes the engine of a clone, or of another folder with the package, that is set up on this
 * machine.
 * @param {string} folder
 * @param {string} engine
 * @param {Context['at']} at
 * @returns {Carried}
 */
function openEngine(folder, engine, at) {
  if (!fits(at, readStamp(stampOf(engine)))) {
    throw new SetupProblem(
      'from',
      `The engine in ${folder} was made by another version of Many Hands than the one here. Set up the same version there first, or leave --from out:`,
      command('setup'),
    );
  }
  return {folder, engine, npmOptions: async () => [], pipOptions: () => []};
}

/**
 * Opens a folder that --save-to filled. Throws where it is none, or one for another machine or
 * another state of the course.
 * @param {string} typed
 * @param {Context['at']} at
 * @returns {Carried}
 */
export function openCarried(typed, at) {
  const folder = typedFolder(typed);
  const note = readStamp(noteOf(folder));
  if (at.isPackage) {
    const engine = builtEngine(folder);
    if (engine !== null) return openEngine(folder, engine, at);
  }
  // Only a clone fills such a folder.
  const again = 'npm run setup -- --save-to FOLDER';
  if (note?.format !== FORMAT)
    throw new SetupProblem(
      'from',
      `${folder} is not a folder that --save-to has filled (it has no whole many-hands.json). On a machine with a network and the same clone:`,
      again,
    );
  const here = `${process.platform}-${process.arch}`;
  if (note.machine !== here)
    throw new SetupProblem(
      'from',
      `${folder} was filled on ${note.machine}, and this machine is ${here}: their packages differ. On a machine like this one:`,
      again,
    );
  const own = contents(at);
  const npmAndPython =
    at.isPackage || (note.lock === own.lock && note.requirements === own.requirements);
  if (!npmAndPython || note.tensorflow !== own.tensorflow) {
    throw new SetupProblem(
      'from',
      `${folder} was filled for another version of this course than the clone here. Take the same version of both, or fill it again:`,
      again,
    );
  }
  return {
    folder,
    engine: null,
    async npmOptions(work) {
      let cache = join(folder, 'npm');
      try {
        accessSync(cache, constants.W_OK);
      } catch {
        // npm writes into its cache even when it only reads: a read-only stick is copied first.
        cpSync(cache, join(work, 'npm'), {recursive: true});
        cache = join(work, 'npm');
      }
      return ['--offline', `--cache=${cache}`, `--registry=${note.registry}`];
    },
    pipOptions: () => ['--no-index', `--find-links=${join(folder, 'wheels')}`],
  };
}

/**
 * The pins that hold for one version of Python, by their markers.
 * @param {Context['at']} at
 * @param {string} version
 */
async function pinsFor(at, version) {
  const program = `
import sys
from pip._vendor.packaging.requirements import Requirement
place = {"python_version": sys.argv[2], "python_full_version": sys.argv[2] + ".99"}
for line in open(sys.argv[1], encoding="utf-8"):
    line = line.strip()
    if line and not line.startswith("#"):
        need = Requirement(line)
        if need.marker is None or need.marker.evaluate(place):
            print(need.name + str(need.specifier))
`;
  const output = await runTool(at.python, ['-c', program, at.requirements, version], {
    cwd: at.root,
    env: pythonEnvironment(),
    what: 'The list of Python packages',
  });
  return output.trim().split(/\r?\n/);
}

/**
 * Fills a folder with everything that set-up downloads, for machines of this kind with any Python
 * that the course runs on.
 * @param {Context} context
 * @param {string} typed
 * @param {(text: string) => void} tell
 */
export async function saveTo(context, typed, tell) {
  const {at, work} = context;
  const folder = typedFolder(typed);
  const {command: program, args} = npm();
  const registry = (
    await runTool(program, [...args, 'config', 'get', 'registry'], {cwd: at.root, what: 'npm'})
  )
    .trim()
    .split('\n')
    .at(-1);
  tell('npm packages');
  await install(context, join(work, 'packages'), [`--cache=${join(folder, 'npm')}`]);
  const wheels = join(folder, 'wheels');
  for (const version of PYTHONS) {
    tell(`JupyterLab for Python ${version}`);
    await runTool(
      at.python,
      [
        '-m',
        'pip',
        'download',
        '--no-deps',
        '--only-binary=:all:',
        '--python-version',
        version,
        '--no-input',
        '--progress-bar',
        'off',
        '-d',
        wheels,
        ...(await pinsFor(at, version)),
      ],
      {cwd: at.root, env: {...pythonEnvironment(), TMPDIR: work}, what: 'JupyterLab', folder},
    );
  }
  const kind = engineKind();
  if (typeof kind !== 'string') {
    tell('TensorFlow');
    const names = new Set(engineWheels(at, kind));
    // A room may have machines with and without a GPU.
    const plain = engineKind({nvidia: false});
    if (typeof plain !== 'string') for (const name of engineWheels(at, plain)) names.add(name);
    await downloadWheels(context, at.python, [...names], wheels);
  }
  if (!existsSync(wheels))
    throw new SetupProblem(
      'save-to',
      `Nothing was written to ${wheels}.`,
      command('setup', '--save-to FOLDER'),
    );
  writeStamp(noteOf(folder), {
    format: FORMAT,
    machine: `${process.platform}-${process.arch}`,
    registry,
    ...contents(at),
  });
  return folder;
}
