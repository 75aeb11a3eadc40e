/**
 * `npm run fuzz`: draws training programs by seed and compares `train` and every strategy with
 * tfjs's own `model.fit`. What differs is shrunk to a small program.
 */
import './fuzz/oneThread';
import {mkdirSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import '../lib/devices/register';
import {messageOf} from '../lib/base/errors';
import {closeWorkers} from '../lib/workers/pool';
import {exitWith, print, runCommand, typedPath, wrongUse} from './command';
import {checkProgram, type Failure} from './fuzz/check';
import {drawProgram} from './fuzz/drawProgram';
import {printFailure} from './fuzz/print';
import {Counting, tallyText} from './fuzz/report';
import {STRATEGIES} from './fuzz/runs';
import {shrink} from './fuzz/shrink';

const help = `Compares train and every strategy with model.fit on programs drawn by seed.

  npm run fuzz -- [--seeds 100] [--from 1] [--seed N] [--strategies NAME,...] [--count 3]
                  [--out FOLDER] [--no-shrink] [--json]

--seeds N       how many programs
--from N        the first seed
--seed N        this one alone, with all strategies; prints the program
--strategies L  some of ${STRATEGIES.join(', ')}
--count N       strategies per program
--out FOLDER    writes each failing program there as a file
--no-shrink     leaves failing programs as they were drawn
--json          one object on stdout: {tally, failures: [{seed, run, kind, lines, program}]}

A failing program is printed with what was expected and what came. Exit code 1 if one failed.
`;

interface Reported {
  seed: number;
  run: string;
  kind: string;
  lines: string[];
  program: string;
}

interface Series {
  seeds: number[];
  strategies: string[];
  count: number;
  shrinks: boolean;
  report(failure: Reported): Promise<void>;
  say(line: string): void;
}

/** The attempts to simplify one failure. */
const TRIES = 400;

async function runSeries({seeds, strategies, count, shrinks, report, say}: Series) {
  const counting = new Counting();
  const failures: Reported[] = [];
  for (const [i, seed] of seeds.entries()) {
    const checked = await checkProgram(drawProgram(seed, strategies, count)).catch((error) => {
      throw new Error(`seed ${seed}: ${messageOf(error)}`, {cause: error});
    });
    counting.add(checked);
    const kinds = new Map<string, Failure>();
    for (const failure of checked.failures)
      if (!kinds.has(failure.kind)) kinds.set(failure.kind, failure);
    for (const failure of kinds.values()) {
      const small = shrinks ? await shrink(failure, TRIES) : failure;
      const {run, kind, lines} = small;
      const entry = {seed, run: run.name, kind, lines, program: printFailure(small)};
      failures.push(entry);
      await report(entry);
    }
    if ((i + 1) % 50 === 0) say(`${i + 1} of ${seeds.length}: ${failures.length} failures`);
  }
  return {tally: counting.tally(), failures};
}

function wholeNumber(name: string, text: string): number {
  if (/^\d+$/.test(text)) return Number(text);
  throw wrongUse(`--${name} wants a whole number; it is '${text}'.`);
}

export function main(argv: readonly string[]): Promise<number> {
  return runCommand(
    {
      name: 'fuzz',
      help,
      options: {
        seeds: {type: 'string', default: '100'},
        from: {type: 'string', default: '1'},
        seed: {type: 'string'},
        strategies: {type: 'string', default: STRATEGIES.join(',')},
        count: {type: 'string'},
        out: {type: 'string'},
        'no-shrink': {type: 'boolean', default: false},
        json: {type: 'boolean', default: false},
      },
      run: async ({values}, {stdout, stderr}) => {
        const strategies = (values.strategies as string).split(',');
        const unknown = strategies.find((name) => !STRATEGIES.includes(name));
        if (unknown) throw wrongUse(`--strategies ${unknown}: there is ${STRATEGIES.join(', ')}.`);
        const only = values.seed === undefined ? null : wholeNumber('seed', values.seed as string);
        const from = wholeNumber('from', values.from as string);
        const length = wholeNumber('seeds', values.seeds as string);
        const series = Array.from({length}, (_, i) => from + i);
        const count = values.count === undefined ? 3 : wholeNumber('count', values.count as string);
        const folder = values.out === undefined ? null : typedPath(values.out as string);
        if (folder) mkdirSync(folder, {recursive: true});
        try {
          const {tally, failures} = await runSeries({
            seeds: only === null ? series : [only],
            strategies,
            count: only === null ? count : strategies.length,
            shrinks: !values['no-shrink'],
            report: async ({seed, run, kind, lines, program}) => {
              stderr.write(`seed ${seed}, ${run}: ${kind}: ${lines[0]}\n`);
              if (folder)
                writeFileSync(join(folder, `${seed}-${kind.replaceAll(' ', '-')}.cjs`), program);
              else if (!values.json) await print(stdout, `${program}\n`);
            },
            say: (line) => void stderr.write(`${line}\n`),
          });
          await print(
            stdout,
            values.json ? `${JSON.stringify({tally, failures})}\n` : tallyText(tally),
          );
          return failures.length > 0 ? 1 : 0;
        } finally {
          await closeWorkers();
        }
      },
    },
    argv,
  );
}

if (require.main === module) exitWith(main(process.argv.slice(2)));
