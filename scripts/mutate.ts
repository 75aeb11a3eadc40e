/**
 * `npm run mutate`: breaks the library on purpose, one small change at a time, and says which
 * changes the tests of the changed folder do not notice.
 */
import {readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {Random} from '../lib/base/random';
import {exitWith, print, runCommand, wrongUse} from './command';
import {mutantsOf, type Mutant} from './mutate/sites';
import {Sandbox, type Outcome} from './mutate/sandbox';
import {courseRoot} from './root';

/**
 * The tests of each folder, in stages: most mutants are killed by the first, which take seconds.
 */
const TESTS: Record<string, string[][]> = {
  step: [
    ['tests/step'],
    ['tests/parity/train', 'tests/parity/recompute'],
    ['tests/models', 'tests/memory/step', 'tests/parity/tensor'],
  ],
  dataParallel: [['tests/dataParallel'], ['tests/parity/dataParallel'], ['tests/parity/transport']],
  zero: [['tests/zero/units'], ['tests/parity/zero'], ['tests/zero']],
  pipelineParallel: [
    ['tests/pipelineParallel/schedules', 'tests/pipelineParallel/splitPoints'],
    ['tests/parity/pipeline'],
    ['tests/pipelineParallel/run'],
  ],
  tensorParallel: [
    ['tests/tensorParallel/layout'],
    ['tests/parity/tensor'],
    ['tests/tensorParallel', 'tests/parity/mesh'],
  ],
  collectives: [['tests/collectives'], ['tests/run/spmd']],
};
/** A mutant that makes its tests so much slower hangs. */
const SLOWER = 4;
const LEAST_TIMEOUT_MS = 60_000;

interface Result extends Omit<Mutant, 'text'> {
  folder: string;
  outcome: Outcome;
  /** The test that killed it, if vitest named it. */
  failedTest: string | null;
}

const help = `Breaks the library on purpose and runs the tests of each changed folder against it.

  npm run mutate -- [--folder NAME ...] [--count 120] [--seed 1] [--workers 2] [--json]

--folder NAME  one of ${Object.keys(TESTS).join(', ')}; all without it
--count N      mutants in all, shared evenly among the folders
--seed N       which mutants are drawn
--workers N    sandboxes at work at once
--json         one object on stdout: {seed, mutants: [{folder, file, line, change, outcome, failedTest}]}

A mutant is killed when a test fails or hangs. Exit code 0 whatever survives.
`;

function sourcesOf(folder: string): string[] {
  const path = join('lib', folder);
  return readdirSync(join(courseRoot(), path), {recursive: true, encoding: 'utf8'})
    .filter((name) => name.endsWith('.ts'))
    .sort()
    .map((name) => join(path, name));
}

/** `count` mutants of a folder, drawn by `seed`. */
function draw(folder: string, count: number, seed: number): Mutant[] {
  const all = sourcesOf(folder).flatMap((file) =>
    mutantsOf(file, readFileSync(join(courseRoot(), file), 'utf8')),
  );
  const random = new Random(seed, `mutants of ${folder}`);
  const drawn: Mutant[] = [];
  while (drawn.length < count && all.length > 0)
    drawn.push(...all.splice(random.integer(all.length), 1));
  return drawn;
}

function tableOf(results: readonly Result[]): string {
  const rows = Object.keys(TESTS)
    .map((folder) => ({folder, of: results.filter((result) => result.folder === folder)}))
    .filter(({of}) => of.length > 0)
    .map(({folder, of}) => {
      const killed = of.filter(({outcome}) => outcome !== 'passed').length;
      return `${folder.padEnd(18)} ${String(killed).padStart(4)} of ${String(of.length).padStart(3)} killed, ${Math.round((100 * killed) / of.length)} %`;
    });
  const survivors = results
    .filter(({outcome}) => outcome === 'passed')
    .map(({file, line, change}) => `  ${file}:${line}  ${change}`);
  return `${rows.join('\n')}\n${survivors.length > 0 ? `Not noticed:\n${survivors.join('\n')}\n` : ''}`;
}

/** Calls `work` for every item of `queue`, in each sandbox for one item at a time. */
async function shareAmong<T>(
  sandboxes: readonly Sandbox[],
  queue: T[],
  work: (sandbox: Sandbox, item: T) => Promise<void>,
): Promise<void> {
  await Promise.all(
    sandboxes.map(async (sandbox) => {
      for (let item = queue.shift(); item !== undefined; item = queue.shift())
        await work(sandbox, item);
    }),
  );
}

async function tryAll(
  folders: readonly string[],
  count: number,
  seed: number,
  workers: number,
  say: (line: string) => void,
): Promise<Result[]> {
  const perFolder = Math.ceil(count / folders.length);
  const drawn = folders.map((folder) => draw(folder, perFolder, seed));
  // The folders take turns, so that a run that is stopped early has tried some of each.
  const queue = Array.from({length: perFolder}, (_, i) =>
    folders.flatMap((folder, f) => (drawn[f][i] ? [{folder, mutant: drawn[f][i]}] : [])),
  ).flat();
  const results: Result[] = [];
  const timeouts = new Map<string, number>();
  const sandboxes = Array.from({length: workers}, () => new Sandbox());
  try {
    // The tests must pass before anything is broken; their time sets the limit.
    await shareAmong(sandboxes, [...folders], async (sandbox, folder) => {
      const start = performance.now();
      const {outcome, output} = await sandbox.run(TESTS[folder], 15 * LEAST_TIMEOUT_MS);
      if (outcome !== 'passed') {
        say(output);
        throw wrongUse(
          `The tests of lib/${folder} fail without any mutant: ${TESTS[folder].flat()}.`,
        );
      }
      const elapsed = performance.now() - start;
      timeouts.set(folder, Math.max(LEAST_TIMEOUT_MS, SLOWER * elapsed));
      say(`${folder}: its tests pass in ${Math.round(elapsed / 1000)} s`);
    });
    await shareAmong(sandboxes, queue, async (sandbox, {folder, mutant}) => {
      const {text: _, ...rest} = mutant;
      const limit = timeouts.get(folder)!;
      const {outcome, failedTest} = await sandbox.try(mutant, TESTS[folder], limit);
      results.push({folder, ...rest, outcome, failedTest});
      const by = failedTest ? `  by ${failedTest}` : '';
      say(`${outcome.padEnd(8)} ${mutant.file}:${mutant.line}  ${mutant.change}${by}`);
    });
  } finally {
    for (const sandbox of sandboxes) sandbox.close();
  }
  return results;
}

function wholeNumber(name: string, text: string): number {
  if (/^[1-9]\d*$/.test(text)) return Number(text);
  throw wrongUse(`--${name} wants a whole number from 1; it is '${text}'.`);
}

export function main(argv: readonly string[]): Promise<number> {
  return runCommand(
    {
      name: 'mutate',
      help,
      options: {
        folder: {type: 'string', multiple: true},
        count: {type: 'string', default: '120'},
        seed: {type: 'string', default: '1'},
        workers: {type: 'string', default: '2'},
        json: {type: 'boolean', default: false},
      },
      run: async ({values}, {stdout, stderr}) => {
        const folders = (values.folder as string[] | undefined) ?? Object.keys(TESTS);
        const unknown = folders.find((folder) => !(folder in TESTS));
        if (unknown)
          throw wrongUse(`--folder ${unknown}: there is ${Object.keys(TESTS).join(', ')}.`);
        const [count, seed, workers] = (['count', 'seed', 'workers'] as const).map((name) =>
          wholeNumber(name, values[name] as string),
        );
        const say = (line: string) => void stderr.write(`${line}\n`);
        const results = await tryAll(folders, count, seed, workers, say);
        await print(
          stdout,
          values.json ? `${JSON.stringify({seed, mutants: results})}\n` : tableOf(results),
        );
        return 0;
      },
    },
    argv,
  );
}

if (require.main === module) exitWith(main(process.argv.slice(2)));
