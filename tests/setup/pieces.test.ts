import {execFileSync} from 'node:child_process';
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import {dirname, join} from 'node:path';
import {beforeEach, describe, expect, it} from 'vitest';
import {compilerArguments} from '../../scripts/setup/addon.mjs';
import {openCarried} from '../../scripts/setup/carry.mjs';
import {engine} from '../../scripts/setup/engine.mjs';
import {kernelspec} from '../../scripts/setup/kernelspec.mjs';
import {packages} from '../../scripts/setup/packages.mjs';
import {jupyterEnvironment, paths} from '../../scripts/setup/paths.mjs';
import {compiler, engineKind, onPath} from '../../scripts/setup/platform.mjs';
import {moveEnvironment} from '../../scripts/setup/relocate.mjs';
import type {Context} from '../../scripts/setup/steps.mjs';
import {temporaryFolder} from '../helpers/folders';

const real = paths();
let folder: string;
beforeEach(() => {
  folder = temporaryFolder('é ');
});

function contextOf(root: string): Context {
  return {at: paths(root), verb: 'start', wantsEngine: true, from: null, work: join(root, 'work')};
}

function write(file: string, content: string | object): void {
  mkdirSync(dirname(file), {recursive: true});
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
}

describe('npm packages', () => {
  /** A clone whose lock names one package, as it looks after `npm ci`. */
  function clone(): Context {
    write(join(folder, 'package.json'), {name: 'many-hands'});
    write(join(folder, 'package-lock.json'), {
      packages: {
        '': {},
        'node_modules/a': {version: '1.0.0'},
        'node_modules/other-system': {version: '1.0.0', optional: true},
      },
    });
    write(join(folder, 'node_modules/a/package.json'), {});
    write(join(folder, 'node_modules/.package-lock.json'), {
      packages: {'node_modules/a': {version: '1.0.0'}},
    });
    return contextOf(folder);
  }

  it('are done when the lock agrees with what is there, and many-hands is among them', () => {
    const context = clone();
    expect(packages.done(context)).toBe(false);
    packages.mend?.(context);
    expect(packages.done(context)).toBe(true);
    expect(existsSync(join(folder, 'node_modules/many-hands/package.json'))).toBe(true);
  });

  it.each([
    ['an installation was interrupted', 'node_modules/.package-lock.json'],
    ['one was deleted', 'node_modules/a'],
  ])('are not done when %s', (_, path) => {
    const context = clone();
    packages.mend?.(context);
    rmSync(join(folder, path), {recursive: true});
    expect(packages.done(context)).toBe(false);
  });

  it('are not done when the lock names another version', () => {
    const context = clone();
    packages.mend?.(context);
    write(join(folder, 'package-lock.json'), {
      packages: {'': {}, 'node_modules/a': {version: '2.0.0'}},
    });
    expect(packages.done(context)).toBe(false);
  });
});

describe('the engine', () => {
  it.each([
    [
      {platform: 'linux', arch: 'x64', nvidia: false, libc: null},
      {wheel: 'tensorflow-cpu', cuda: false},
    ],
    [
      {platform: 'linux', arch: 'x64', nvidia: true, libc: null},
      {wheel: 'tensorflow', cuda: true},
    ],
    [
      {platform: 'linux', arch: 'arm64', nvidia: true, libc: null},
      {wheel: 'tensorflow', cuda: false},
    ],
    [
      {platform: 'darwin', arch: 'arm64', nvidia: false},
      {
        wheel: 'tensorflow',
        cuda: false,
        libraries: [
          'tensorflow/libtensorflow_cc.2.dylib',
          'tensorflow/libtensorflow_framework.2.dylib',
        ],
      },
    ],
  ])('of %j is %j', (machine, kind) => {
    expect(engineKind(machine)).toMatchObject(kind);
  });

  it.each([
    [{platform: 'win32', arch: 'x64'}, /Windows; inside WSL it has/],
    [{platform: 'darwin', arch: 'x64'}, /no TensorFlow .* for darwin-x64/],
    [
      {platform: 'linux', arch: 'x64', libc: 'a system without glibc'},
      /not built for a system without glibc/,
    ],
  ])('of %j is JavaScript, and a sentence says why', (machine, sentence) => {
    expect(engineKind(machine)).toMatch(sentence);
  });

  it('is linked so that a clone may be moved', () => {
    const where = {
      tfjsNode: real.tfjsNode,
      nodeHeaders: '/h',
      engine: '/e',
      libraries: ['tensorflow/libtensorflow_cc.so.2'],
      out: '/o',
      placed: real.placedAddon,
      home: real.engine,
    };
    const linux = compilerArguments({...where, platform: 'linux'});
    expect(linux).toContain('-Wl,-rpath,$ORIGIN/../../../../../build/engine/tensorflow');
    expect(linux).toContain('-shared');
    const mac = compilerArguments({...where, platform: 'darwin'});
    expect(mac).toContain('-Wl,-rpath,@loader_path/../../../../../build/engine/tensorflow');
    expect(mac).toContain('-bundle');
    expect(linux.filter((word) => word.endsWith('.cc')).length).toBe(2);
  });

  it('is JavaScript where there is no compiler: set-up goes on, and says what mends it', async () => {
    const path = process.env.PATH;
    process.env.PATH = folder;
    try {
      const context = contextOf(folder);
      const note = await engine.make(context, () => undefined);
      expect(note).toContain('There is no C++ compiler');
      const noted = JSON.parse(readFileSync(context.at.engineJson, 'utf8')) as Record<
        string,
        unknown
      >;
      expect(noted).toMatchObject({
        name: 'javascript',
        libtensorflow: null,
        cuda: false,
        addon: null,
      });
      expect(noted.fix).toMatch(/npm run setup/);
      // A start leaves it at that; `npm run setup` tries again, and so does a start when a compiler
      // has come.
      expect(engine.done(context)).toBe(true);
      expect(engine.done({...context, verb: 'setup'})).toBe(false);
      process.env.PATH = path;
      expect(engine.done(context)).toBe(compiler() === null);
    } finally {
      process.env.PATH = path;
    }
  });

  it('is not downloaded where MANY_HANDS_ENGINE says JavaScript', async () => {
    const before = process.env.MANY_HANDS_ENGINE;
    process.env.MANY_HANDS_ENGINE = 'javascript';
    try {
      const context = {...contextOf(folder), wantsEngine: false};
      expect(engine.download(context)).toBe(0);
      expect(await engine.make(context, () => undefined)).toContain(
        'unset MANY_HANDS_ENGINE && npm run setup',
      );
    } finally {
      if (before === undefined) delete process.env.MANY_HANDS_ENGINE;
      else process.env.MANY_HANDS_ENGINE = before;
    }
  });
});

describe('programs on PATH', () => {
  it('are found, and only where they can be started', () => {
    writeFileSync(join(folder, 'c++'), '#!/bin/sh\n');
    expect(onPath('c++', {PATH: folder})).toBeNull();
    chmodSync(join(folder, 'c++'), 0o755);
    expect(onPath('c++', {PATH: `/nowhere:${folder}`})).toBe(join(folder, 'c++'));
  });
});

describe('a moved Python environment', () => {
  it('runs its scripts from the new place, spaces and letters included', () => {
    const before = join(folder, 'before');
    const after = join(folder, 'after é');
    mkdirSync(join(before, 'bin'), {recursive: true});
    symlinkSync(real.python, join(before, 'bin/python'));
    writeFileSync(join(before, 'pyvenv.cfg'), `command = python3 -m venv ${before}\n`);
    // As pip writes it for a place whose path has a space.
    const script = join('bin', 'hello');
    writeFileSync(
      join(before, script),
      `#!/bin/sh\n'''exec' "${before}/bin/python" "$0" "$@"\n' '''\nimport sys\nprint("hello from", sys.argv[0])\n`,
      {mode: 0o755},
    );
    writeFileSync(join(before, 'bin/activate'), `VIRTUAL_ENV="${before}"\n`);
    cpSync(before, after, {recursive: true, verbatimSymlinks: true});
    rmSync(before, {recursive: true});
    moveEnvironment(after, before, after);
    expect(execFileSync(join(after, script), {encoding: 'utf8'})).toBe(
      `hello from ${join(after, script)}\n`,
    );
    expect(readFileSync(join(after, 'bin/activate'), 'utf8')).toBe(`VIRTUAL_ENV="${after}"\n`);
    expect(readFileSync(join(after, 'pyvenv.cfg'), 'utf8')).toContain(after);
  });
});

describe('the kernel', () => {
  it('is named many-hands, starts this Node.js by its path, and is made again when either moves', async () => {
    const context = contextOf(folder);
    expect(kernelspec.done(context)).toBe(false);
    await kernelspec.make(context, () => undefined);
    expect(kernelspec.done(context)).toBe(true);
    const file = join(folder, '.venv/share/jupyter/kernels/many-hands/kernel.json');
    const spec = JSON.parse(readFileSync(file, 'utf8')) as {argv: string[]; language: string};
    expect(spec.argv).toEqual([
      process.execPath,
      join(folder, 'node_modules/tslab/bin/tslab'),
      'kernel',
      '--config-path',
      '{connection_file}',
    ]);
    expect(spec.language).toBe('typescript');
    writeFileSync(file, JSON.stringify({...spec, argv: ['/old/node', ...spec.argv.slice(1)]}));
    expect(kernelspec.done(context)).toBe(false);
  });
});

describe('the environment of our Jupyter', () => {
  it('keeps out what the user has set for other Pythons and Jupyters', () => {
    const env = jupyterEnvironment(real, {
      PATH: '/bin',
      PYTHONPATH: '/ros',
      PYTHONHOME: '/p',
      JUPYTER_PATH: '/j',
      JUPYTER_CONFIG_DIR: '/c',
      JUPYTER_TOKEN: 't',
    });
    expect(env).not.toHaveProperty('PYTHONPATH');
    expect(env).not.toHaveProperty('PYTHONHOME');
    expect(env).not.toHaveProperty('JUPYTER_PATH');
    expect(env.JUPYTER_CONFIG_DIR).toBe(join(real.jupyter, 'config'));
    expect(env).toMatchObject({PATH: '/bin', JUPYTER_TOKEN: 't'});
  });
});

describe('a folder of downloads', () => {
  it('is refused when nothing, or not everything, was saved to it', () => {
    expect(() => openCarried(folder, real)).toThrow(/is not a folder that --save-to has filled/);
  });

  it('is refused when it is for another kind of machine', () => {
    write(join(folder, 'many-hands.json'), {
      format: 'many-hands-downloads/1',
      machine: 'sunos-sparc',
    });
    expect(() => openCarried(folder, real)).toThrow(/was filled on sunos-sparc/);
  });

  it('is refused when it is for another version of the course', () => {
    write(join(folder, 'many-hands.json'), {
      format: 'many-hands-downloads/1',
      machine: `${process.platform}-${process.arch}`,
      lock: 'x',
    });
    expect(() => openCarried(folder, real)).toThrow(/for another version of this course/);
  });
});
