/**
 * `npm run doctor [-- --json]`, `npx many-hands doctor`: what this machine and this
 * clone or package have, a line each, with what mends it. Exit 1 where something fails, 2 for wrong
 * use.
 */
import * as course from './doctor/courseChecks.mjs';
import * as machine from './doctor/machineChecks.mjs';
import {command} from './setup/command.mjs';
import {paths} from './setup/paths.mjs';

/** @typedef {import('./doctor/check.mjs').Check} Check */

/**
 * What only a clone has: its packages, its compiled sources, its Python with JupyterLab and the
 * kernel.
 * @param {ReturnType<typeof paths>} at
 */
async function examineCourse(at) {
  const [npm, python, kernel] = await Promise.all([
    course.npmCheck(),
    course.python(at),
    course.kernel(at),
  ]);
  const all = [
    npm,
    course.packagesCheck(at),
    course.compiledCheck(at),
    python.check,
    course.jupyterCheck(python.jupyterlab, python.nbclient),
    kernel.check,
    course.rendererCheck(at),
  ];
  return {python: python.python, jupyterlab: python.jupyterlab, kernel: kernel.kernel, checks: all};
}

/** Everything the doctor looks at, as its JSON gives it. */
async function examine() {
  const at = paths();
  const looked = await machine.look(at);
  const {check: engineCheck, engine} = machine.engine(at, looked);
  const devices = looked.seen?.devices ?? [];
  const clone = at.isPackage ? null : await examineCourse(at);
  /** @type {Check[]} */
  const all = [
    machine.node(),
    ...(clone?.checks ?? []),
    engineCheck,
    await machine.cuda(at, engine),
    ...machine.deviceChecks(devices),
    ...(looked.seen ? [machine.coresCheck(looked.seen.cores)] : []),
    machine.sharedMemoryCheck(),
  ];
  return {
    node: process.versions.node,
    python: clone?.python ?? null,
    jupyterlab: clone?.jupyterlab ?? null,
    kernel: clone?.kernel ?? null,
    engine,
    devices,
    checks: all,
  };
}

/** @param {Check[]} all */
function print(all) {
  const width = Math.max(...all.map(({name}) => name.length));
  for (const {name, status, message, fix} of all) {
    process.stdout.write(`${status.padEnd(4)}  ${name.padEnd(width)}  ${message}\n`);
    if (fix) process.stdout.write(`      ${' '.repeat(width)}  to mend it:  ${fix}\n`);
  }
  const count = (/** @type {string} */ status) =>
    all.filter((check) => check.status === status).length;
  process.stdout.write(`\n${count('ok')} ok, ${count('warn')} warn, ${count('fail')} fail\n`);
}

const args = process.argv.slice(2);
const unknown = args.find((arg) => arg !== '--json');
if (args.includes('--help') || args.includes('-h')) {
  process.stdout.write(
    `${command('doctor', '[--json]')}: what is there and what is missing, a line each, with the command that mends it.\n` +
      'Exit code: 0 nothing fails; 1 something does; 2 wrong use.\n',
  );
} else if (unknown !== undefined) {
  process.stderr.write(
    `doctor does not know '${unknown}'. Use: ${command('doctor', '[--json]')}\n`,
  );
  process.exitCode = 2;
} else {
  const report = await examine();
  if (args.includes('--json')) process.stdout.write(`${JSON.stringify(report, null, 2)}\n`);
  else print(report.checks);
  process.exitCode = report.checks.some(({status}) => status === 'fail') ? 1 : 0;
}
