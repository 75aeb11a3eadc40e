/**
 * `npm run bench -- grade`: seconds that the grader takes for 200 notebooks, from its
 * start to the written report.
 */
import {spawnSync} from 'node:child_process';
import {mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {messageOf} from '../../lib/base/errors';
import {courseRoot} from '../root';
import {flagsOf} from './benches';
import {goal, printReport, report, type Report} from './report';

const notebooks = 200;
const runs = 5;
const targetSeconds = 10;

/**
 * 200 learners with a notebook each: the course's practice notebook, answered in turn with every
 * letter.
 */
function makeSubmissions(folder: string): void {
  mkdirSync(folder);
  const stored = readFileSync(join(courseRoot(), 'notebooks', '14-practice.ipynb'), 'utf8');
  for (let n = 0; n < notebooks; n++) {
    writeFileSync(
      join(folder, `learner-${n}.ipynb`),
      stored.replace(/(answer\('[a-z-]+', ')'/g, `$1${'ABCD'[n % 4]}'`),
    );
  }
}

function main(args: readonly string[]): Report {
  const folder = mkdtempSync(join(tmpdir(), 'many-hands-grade-'));
  try {
    makeSubmissions(join(folder, 'submissions'));
    const seconds: number[] = [];
    for (let run = 0; run < runs; run++) {
      const start = performance.now();
      const done = spawnSync(
        process.execPath,
        [
          join(__dirname, '..', 'grade.js'),
          join(folder, 'submissions'),
          '--out',
          join(folder, 'report'),
        ],
        {encoding: 'utf8'},
      );
      seconds.push((performance.now() - start) / 1000);
      if (done.status !== 0) throw new Error(`grading ended with ${done.status}: ${done.stderr}`);
    }
    seconds.sort((a, b) => a - b);
    const median = seconds[Math.floor(runs / 2)]!;
    const row = {
      system: 'many-hands',
      case: '14-practice, a notebook a learner',
      notebooks,
      seconds: median,
      fastest: seconds[0]!,
      slowest: seconds.at(-1)!,
    };
    return report(
      'grade',
      args,
      [row],
      [goal('seconds for 200 notebooks', median, '<=', targetSeconds)],
    );
  } finally {
    rmSync(folder, {recursive: true, force: true});
  }
}

try {
  printReport(main(process.argv.slice(2)), {json: flagsOf('grade').json});
} catch (error) {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exitCode = 1;
}
