import {spawn, type ChildProcess} from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {findPython} from '../../scripts/setup/findPython.mjs';
import {rootFolder} from '../../scripts/setup/paths.mjs';

/**
 * A small clone, in a place with a space and a letter with an accent, with our packages and a
 * library of one file.
 */
let clone: string;
let empty: string;
beforeAll(() => {
  const root = rootFolder();
  clone = realpathSync(mkdtempSync(join(tmpdir(), 'many-hands é ')));
  empty = join(clone, 'no-programs');
  mkdirSync(empty);
  for (const name of [
    'package.json',
    'package-lock.json',
    '.npmrc',
    'tsconfig.json',
    'scripts/bootstrap.mjs',
    'scripts/setup',
    'scripts/doctor',
    'scripts/doctor.mjs',
  ]) {
    cpSync(join(root, name), join(clone, name), {recursive: true});
  }
  mkdirSync(join(clone, 'lib'));
  writeFileSync(join(clone, 'lib/index.ts'), 'export const one = 1;\n');
  writeFileSync(
    join(clone, 'scripts/quizzes.ts'),
    `import {one} from '../lib';\nconsole.log(JSON.stringify({one, args: process.argv.slice(2)}));\nprocess.exitCode = 7;\n`,
  );
  symlinkSync(join(root, 'node_modules'), join(clone, 'node_modules'));
});
afterAll(() => rmSync(clone, {recursive: true, force: true}));

interface Started {
  child: ChildProcess;
  stderr: () => string;
  end: Promise<{code: number | null; stdout: string; stderr: string}>;
  /** Resolves when stderr has said it. */
  says(text: string): Promise<void>;
}

function start(args: string[], env: NodeJS.ProcessEnv = {}): Started {
  const child = spawn(process.execPath, [join(clone, 'scripts/bootstrap.mjs'), ...args], {
    cwd: clone,
    env: {...process.env, MANY_HANDS_PYTHON: '', ...env},
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (bytes: Buffer) => (stdout += bytes.toString('utf8')));
  child.stderr.on('data', (bytes: Buffer) => (stderr += bytes.toString('utf8')));
  const end = new Promise<{code: number | null; stdout: string; stderr: string}>((resolve) =>
    child.on('close', (code) => resolve({code, stdout, stderr})),
  );
  return {
    child,
    stderr: () => stderr,
    end,
    async says(text) {
      let ended = false;
      void end.then(() => (ended = true));
      while (!stderr.includes(text)) {
        if (ended) throw new Error(`set-up ended and never said '${text}':\n${stderr}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
  };
}

const setUpFiles = () => readdirSync(join(clone, 'build/setup')).sort();

describe('npm run setup', () => {
  it('names what is missing with the command that mends it, before it downloads anything', async () => {
    const {code, stdout, stderr} = await start(['setup'], {PATH: empty}).end;
    expect(stderr).toContain(
      "There is no python3 on this machine's PATH. Many Hands needs Python 3.10, 3.11, 3.12 or 3.13",
    );
    expect(stderr).toContain('sudo apt-get update && sudo apt-get install -y python3 python3-venv');
    expect(stderr).toContain('sudo dnf install -y python3');
    expect(stderr).toContain('brew install python@3.13');
    expect(stderr).not.toContain('[1/');
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(setUpFiles()).toEqual([]);
  });

  it('does what set-up a command needs, on stderr, and the command has stdout to itself', async () => {
    const {code, stdout, stderr} = await start(['quizzes', '--json', 'a b']).end;
    expect(stderr).toMatch(/\[1\/1\] compiled library: done/);
    expect(JSON.parse(stdout)).toEqual({one: 1, args: ['--json', 'a b']});
    expect(code).toBe(7);
    expect(setUpFiles()).toEqual(['compiled.json']);
  });

  it('compiles again what has changed, and only then; what is no longer there goes', async () => {
    const js = join(clone, 'build/lib/more.js');
    writeFileSync(join(clone, 'lib/more.ts'), 'export const more = 2;\n');
    expect((await start(['quizzes']).end).stderr).toContain('compiled library: done');
    expect(existsSync(js)).toBe(true);
    expect((await start(['quizzes']).end).stderr).not.toContain('compiled library');
    rmSync(join(clone, 'lib/more.ts'));
    await start(['quizzes']).end;
    expect(existsSync(js)).toBe(false);
  });

  it('makes a second set-up wait for the first', async () => {
    writeFileSync(join(clone, 'lib/index.ts'), 'export const one = 1.5;\n');
    const first = start(['quizzes']);
    await first.says('compiled library ...');
    const second = start(['quizzes']);
    await second.says(`Another set-up of this clone is running (process ${first.child.pid})`);
    const [one, two] = await Promise.all([first.end, second.end]);
    expect(one.stderr).toContain('compiled library: done');
    expect(two.stderr).not.toContain('compiled library: done');
    expect(JSON.parse(two.stdout)).toMatchObject({one: 1.5});
  });

  it('says what it will bring and how much of the disk it takes', async () => {
    const first = start(['setup']);
    await first.says('[1/');
    first.child.kill('SIGINT');
    const {stderr} = await first.end;
    expect(stderr).toMatch(/Python with JupyterLab +\d+ MB +\d+ MB\n/);
    expect(stderr).toMatch(/in all +\d+ MB +[\d.]+ [MG]B +\(free there: /);
  });

  it('does an interrupted step again, whole: killed half-way it leaves nothing that is taken for done', async () => {
    const first = start(['setup']);
    await first.says('Python with JupyterLab ...');
    while (!setUpFiles().some((name) => name.startsWith('work-')))
      await new Promise((resolve) => setTimeout(resolve, 20));
    first.child.kill('SIGKILL');
    await first.end;
    expect(existsSync(join(clone, '.venv'))).toBe(false);
    expect(setUpFiles()).toContain('lock');
    const again = await start(['setup'], {PATH: empty}).end;
    expect(again.stderr).toContain('There is no python3');
    expect(setUpFiles()).toEqual(['compiled.json']);
  });

  it('stopped with Ctrl-C it leaves no lock and no work behind', async () => {
    const first = start(['setup']);
    await first.says('Python with JupyterLab ...');
    first.child.kill('SIGINT');
    const {code, stderr} = await first.end;
    expect(code).toBe(130);
    expect(stderr).toContain('Set-up was stopped');
    expect(setUpFiles()).toEqual(['compiled.json']);
  });

  it('shows where the library does not compile', async () => {
    writeFileSync(join(clone, 'lib/index.ts'), 'export const one: string = 1;\n');
    const {code, stderr} = await start(['quizzes']).end;
    expect(code).toBe(1);
    expect(stderr).toContain(
      "lib/index.ts(1,14): error TS2322: Type 'number' is not assignable to type 'string'",
    );
    expect(setUpFiles()).toEqual([]);
  });

  it.each([
    [['setup', '--form', '/x'], "setup does not know '--form'."],
    [['setup', '--from'], '--from needs a folder.'],
    [['play'], "There is no command 'play'"],
  ])('%j is wrong use', async (args, sentence) => {
    const {code, stderr} = await start(args).end;
    expect(code).toBe(2);
    expect(stderr).toContain(sentence);
  });

  it('takes no downloads from a folder that has none', async () => {
    const {code, stderr} = await start(['setup', '--from', 'no-programs'], {INIT_CWD: clone}).end;
    expect(code).toBe(1);
    expect(stderr).toContain(`${empty} is not a folder that --save-to has filled`);
  });
});

describe('npm run doctor, in a clone that is not set up', () => {
  it('says what is missing, a fix for each, and ends with 1', async () => {
    const {code, stdout} = await start(['doctor', '--json']).end;
    expect(code).toBe(1);
    const report = JSON.parse(stdout) as {
      node: string;
      python: null;
      engine: {name: string};
      checks: {name: string; status: string; fix: string | null}[];
    };
    expect(report).toMatchObject({
      node: process.versions.node,
      python: null,
      jupyterlab: null,
      kernel: null,
    });
    const failed = report.checks.filter(({status}) => status === 'fail');
    expect(failed.map(({name}) => name)).toEqual(
      expect.arrayContaining(['Python', 'JupyterLab', 'kernel', 'plot renderer']),
    );
    for (const {status, fix} of report.checks) expect(fix === null).toBe(status === 'ok');
  });
});

describe('the Python for set-up', () => {
  it('is one that JupyterLab runs on', async () => {
    const python = await findPython();
    expect(python.version).toMatch(/^3\.1[0-3]\./);
    expect(existsSync(python.path)).toBe(true);
  });

  it('is the one that MANY_HANDS_PYTHON names, or none', async () => {
    const {path} = await findPython();
    expect((await findPython({...process.env, MANY_HANDS_PYTHON: path})).path).toBe(path);
    await expect(
      findPython({...process.env, MANY_HANDS_PYTHON: '/no/such/python'}),
    ).rejects.toThrow("MANY_HANDS_PYTHON is '/no/such/python'");
    await expect(findPython({PATH: empty})).rejects.toThrow('There is no python3');
  });
});
