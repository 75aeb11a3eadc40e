/**
 * The caller's side, scripts only. `npm run bench -- start`: from a bare clone of HEAD to the first
 * trained model, and what the second start costs.
 */
import {median} from '../../lib/base/statistics';
import {spawn} from 'node:child_process';
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import {endTree} from '../processes';
import {courseRoot} from '../root';
import {flagsOf} from './benches';
import {goal, printReport, report, type Row} from './report';
import type {KernelTimes} from './kernelTimes';

const REPEATS = 3;

interface Run {
  seconds: number;
  stdout: string;
}

/** Runs a command to its end; its progress goes to our stderr, its output comes back. */
function run(
  command: string,
  args: string[],
  cwd: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Run> {
  return new Promise((resolve, reject) => {
    const from = performance.now();
    const child = spawn(command, args, {cwd, env, stdio: ['ignore', 'pipe', 'inherit']});
    let stdout = '';
    child.stdout.on('data', (bytes: Buffer) => (stdout += bytes.toString('utf8')));
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve({seconds: (performance.now() - from) / 1000, stdout});
      else reject(new Error(`${command} ${args.join(' ')} ended with code ${code}.`));
    });
  });
}

/**
 * Seconds of `npm start` until it says its URL and the page behind it is served; it is ended then.
 */
async function startToUrl(clone: string): Promise<number> {
  const from = performance.now();
  const child = spawn('npm', ['start', '--', '--no-browser', '--port', '0'], {
    cwd: clone,
    stdio: ['ignore', 'pipe', 'ignore'],
    detached: true,
  });
  try {
    let said = '';
    const url = await new Promise<string>((resolve, reject) => {
      child.stdout.on('data', (bytes: Buffer) => {
        said += bytes.toString('utf8');
        const found = /is open:\s+(http\S+)\s/.exec(said)?.[1];
        if (found) resolve(found);
      });
      child.on('close', () => reject(new Error(`npm start ended before it had a URL:\n${said}`)));
    });
    const page = await fetch(url);
    if (!page.ok) throw new Error(`JupyterLab answered ${page.status} at ${url}.`);
    return (performance.now() - from) / 1000;
  } finally {
    await endTree(child.pid!);
  }
}

async function main(): Promise<number> {
  const {json} = flagsOf('start');
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'many-hands-start-'));
  const clone = path.join(folder, 'clone');
  try {
    const from = performance.now();
    const cloned = await run('git', ['clone', '--quiet', courseRoot(), clone], folder);
    // Caches of their own, and empty: a newcomer has downloaded nothing yet.
    const cold = {
      ...process.env,
      npm_config_cache: path.join(folder, 'npm'),
      PIP_CACHE_DIR: path.join(folder, 'pip'),
    };
    const setUp = await run('npm', ['run', '-s', 'setup'], clone, cold);
    const times = async (): Promise<KernelTimes> =>
      JSON.parse(
        (
          await run(
            process.execPath,
            [path.join(clone, 'build', 'scripts', 'bench', 'kernelTimes.js')],
            clone,
          )
        ).stdout,
      ) as KernelTimes;
    const kernels = [await times()];
    const first = (performance.now() - from) / 1000;
    const starts: number[] = [];
    for (let i = 0; i < REPEATS; i++) {
      starts.push(await startToUrl(clone));
      kernels.push(await times());
    }
    const warm = kernels.slice(1);
    const kernelStart = median(warm.map((one) => one.start));
    const importing = median(warm.map((one) => one.import));
    const row = (step: string, seconds: number): Row => ({system: 'many-hands', step, seconds});
    const rows = [
      row('clone', cloned.seconds),
      row('cold set-up', setUp.seconds),
      row('bare clone to first trained model', first),
      row('second start to URL', median(starts)),
      row('kernel start', kernelStart),
      row('import in a cell', importing),
      row('first training in a kernel', median(warm.map((one) => one.training))),
    ];
    const goals = [
      goal('cold set-up, seconds', setUp.seconds, '<=', 240),
      goal('second start to URL, seconds', median(starts), '<=', 5),
      goal('import in a cell, seconds', importing, '<=', 1.5),
    ];
    printReport(report('start', process.argv.slice(2), rows, goals), {json});
    return 0;
  } finally {
    fs.rmSync(folder, {recursive: true, force: true});
  }
}

main().then(
  (code) => (process.exitCode = code),
  (error) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  },
);
