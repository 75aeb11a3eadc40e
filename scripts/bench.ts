/**
 * `npm run bench -- NAME [--json]`: runs one bench of scripts/bench/ in a process of
 * its own.
 */
import {spawnSync} from 'node:child_process';
import {readdirSync} from 'node:fs';
import {join} from 'node:path';

const folder = join(__dirname, 'bench');
/** What the benches share, no bench itself. */
const SHARED = ['allreduceProgram.js', 'kernelTimes.js', 'report.js', 'trainCases.js'];

const benches = readdirSync(folder)
  .filter((file) => file.endsWith('.js') && !SHARED.includes(file))
  .map((file) => file.slice(0, -3))
  .sort();
const [name, ...args] = process.argv.slice(2);
if (name === undefined || !benches.includes(name)) {
  const wrong =
    name === undefined ? 'bench needs the name of a bench' : `There is no bench '${name}'`;
  process.stderr.write(
    `${wrong}; there are: ${benches.join(', ')}.\nFor example: npm run bench -- start --json\n`,
  );
  process.exitCode = 2;
} else {
  const done = spawnSync(process.execPath, [join(folder, `${name}.js`), ...args], {
    stdio: 'inherit',
  });
  process.exitCode = done.status ?? 1;
}
