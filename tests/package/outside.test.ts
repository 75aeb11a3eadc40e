import {execFileSync, spawnSync} from 'node:child_process';
import {existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';

const root = join(__dirname, '../..');
const MINUTES = 60_000;

/** A learner's own program: no line of it knows where the course's clone is. */
const program = `import {closeWorkers, engineInfo, mlp, mnist, trainParallel} from 'many-hands';

const model = mlp({seed: 1});
const {train: digits, test} = mnist({train: 1_024, test: 200, flat: true});
const result = await trainParallel(model, digits, {
  epochs: 2,
  batchSize: 128,
  devices: 2,
  strategy: 'dataParallel',
  validationData: test,
  seed: 1,
  verbose: 0,
});
console.log(JSON.stringify({engine: engineInfo().name, devices: result.devices.length, loss: result.history.history.loss, sent: result.traffic.length}));
`;

interface Printed {
  engine: string;
  devices: number;
  loss: number[];
  sent: number;
}

describe('outside the clone', () => {
  let app: string;
  const npm = (...args: string[]) => execFileSync('npm', args, {cwd: app, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], timeout: 5 * MINUTES, env: outside()});
  // npm of the test run hands down its own folder and scripts' settings.
  const outside = () => Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(npm_|INIT_CWD|TF_|OMP_|NODE_OPTIONS|VITEST)/.test(name)));
  const run = (...args: string[]) => {
    const done = spawnSync(process.execPath, args, {cwd: app, encoding: 'utf8', timeout: 2 * MINUTES, env: outside()});
    expect(done.status, done.stderr).toBe(0);
    return JSON.parse(done.stdout.trim().split('\n').pop()!) as Printed;
  };

  beforeAll(() => {
    app = mkdtempSync(join(tmpdir(), 'app-'));
    execFileSync('npm', ['pack', '--ignore-scripts', '--pack-destination', app], {cwd: root, stdio: ['ignore', 'pipe', 'pipe'], env: outside()});
    writeFileSync(join(app, 'package.json'), JSON.stringify({name: 'app', private: true, type: 'module'}));
    npm('install', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', './many-hands-0.1.0.tgz');
  }, 5 * MINUTES);
  afterAll(() => rmSync(app, {recursive: true, force: true}));

  it('the package has the library and its set-up, and nothing of the course', () => {
    const installed = join(app, 'node_modules/many-hands');
    expect(readdirSync(installed).sort()).toEqual(['LICENSE', 'README.md', 'build', 'package.json', 'scripts']);
    expect(readdirSync(join(installed, 'scripts')).sort()).toEqual(['bootstrap.mjs', 'setup']);
    expect(readdirSync(join(installed, 'build'))).toEqual(['lib']);
  });

  it('before set-up the JavaScript engine runs, and the one command that mends it is named as it is called here', () => {
    const code = "import {engineInfo} from 'many-hands'; console.log(JSON.stringify(engineInfo()));";
    writeFileSync(join(app, 'engine.mjs'), code);
    expect(run('engine.mjs')).toMatchObject({name: 'javascript', fix: 'npx many-hands setup'});
    const wrong = spawnSync('npx', ['--no', 'many-hands', 'notebooks'], {cwd: app, encoding: 'utf8', env: outside()});
    expect([wrong.status, wrong.stdout + wrong.stderr]).toEqual([2, expect.stringContaining("There is no command 'notebooks'; there are: setup.")]);
  });

  it('npx many-hands setup, then a program in JavaScript and one in TypeScript train on two devices, and end', () => {
    const setUp = spawnSync('npx', ['--no', 'many-hands', 'setup'], {cwd: app, encoding: 'utf8', timeout: 5 * MINUTES, env: outside()});
    expect(setUp.status, setUp.stderr).toBe(0);
    expect(setUp.stderr).toContain("Next: import {train, trainParallel} from 'many-hands'");
    const made = JSON.parse(readFileSync(join(app, 'node_modules/many-hands/build/engine.json'), 'utf8')) as {name: string};
    writeFileSync(join(app, 'train.mjs'), program.replace('closeWorkers, ', ''));
    const first = run('train.mjs');
    expect(first).toMatchObject({engine: made.name, devices: 2});
    expect(first.loss[1]).toBeLessThan(first.loss[0]);
    expect(first.sent).toBeGreaterThan(0);

    writeFileSync(join(app, 'program.ts'), program.replace('closeWorkers, ', '').replace('const model =', 'const epochs: number = 2;\nconst model =').replace('epochs: 2', 'epochs'));
    writeFileSync(join(app, 'tsconfig.json'), JSON.stringify({compilerOptions: {target: 'es2022', module: 'nodenext', strict: true, skipLibCheck: true, types: []}, files: ['program.ts']}));
    execFileSync(process.execPath, [join(app, 'node_modules/typescript/bin/tsc')], {cwd: app, stdio: ['ignore', 'pipe', 'pipe']});
    expect(run('program.js')).toEqual(first);
    expect(existsSync(join(app, 'node_modules/many-hands/build/setup/lock'))).toBe(false);
  }, 8 * MINUTES);
});
