import {execFileSync} from 'node:child_process';
import {existsSync, readFileSync} from 'node:fs';
import {dirname, join, relative, resolve} from 'node:path';
import {describe, expect, it} from 'vitest';

/**
 * The order of `lib`: a folder imports only itself and what stands before it. CONTRIBUTING says
 * what each is for.
 */
const ORDER = [
  'base',
  'devices',
  'trace',
  'workers',
  'collectives',
  'mesh',
  'model',
  'memory',
  'step',
  'account',
  'data',
  'models',
  'dataParallel',
  'zero',
  'tensorParallel',
  'pipelineParallel',
  'composed',
  'checkpoint',
  'run',
  'train',
  'spmd',
  'planner',
  'trainParallel',
  'proof',
  'notebook',
  'quiz',
  'index',
];

const files = (...patterns: string[]) =>
  execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', ...patterns], {
    encoding: 'utf8',
  })
    .split('\n')
    .filter((file) => file && existsSync(file));
const sources = files('lib/*.ts', 'scripts/*.ts', 'scripts/*.mjs');
const text = (file: string) => readFileSync(file, 'utf8');

/** 'lib/step/walk.ts' is of 'step', 'lib/train.ts' of 'train'. */
const partOf = (file: string) => file.split('/')[1].replace(/\.ts$/, '');

function importsOf(file: string): string[] {
  return [...text(file).matchAll(/(?:from|import|require\()\s*'(\.{1,2}\/[^']+)'/g)].map(
    ([, target]) => relative('.', resolve(dirname(file), target)),
  );
}

describe('the house', () => {
  it('has only folders that stand in the order', () => {
    expect(
      [...new Set(files('lib/*.ts').map(partOf))].filter((part) => !ORDER.includes(part)),
    ).toEqual([]);
  });

  it('imports only what stands before', () => {
    const backwards = files('lib/*.ts').flatMap((file) =>
      importsOf(file)
        .filter(
          (target) =>
            target.startsWith('lib/') &&
            ORDER.indexOf(partOf(target)) > ORDER.indexOf(partOf(file)),
        )
        .map((target) => `${file} imports ${target}`),
    );
    expect(backwards).toEqual([]);
  });

  it("leaves the engines' packages to lib/devices, and scripts out of lib", () => {
    const touching = files('lib/*.ts').filter(
      (file) =>
        partOf(file) !== 'devices' && /['"]@tensorflow\/tfjs-(node|backend)/.test(text(file)),
    );
    expect(touching).toEqual([]);
    expect(
      files('lib/*.ts').filter((file) =>
        importsOf(file).some((target) => target.startsWith('scripts')),
      ),
    ).toEqual([]);
  });

  it('holds one idea a file: 300 lines at most', () => {
    expect(sources.filter((file) => text(file).split('\n').length - 1 > 300)).toEqual([]);
  });

  it('says in its first line what a module of lib is and on which side it runs', () => {
    const silent = files('lib/*.ts').filter(
      (file) =>
        file !== 'lib/index.ts' &&
        !/^\/\*\*\s*(?:\*\s*)?(?:\n \* )?(Caller|Worker|Either) side\./.test(text(file)),
    );
    expect(silent).toEqual([]);
  });

  it('hides no unfinished work', () => {
    const marks = new RegExp(
      ['TO' + 'DO', 'FIX' + 'ME', '@ts-' + 'ignore', '<any>|\\bas any[;,)]|: any[;,)]'].join('|'),
    );
    expect(sources.filter((file) => marks.test(text(file)))).toEqual([]);
  });

  it('pins every package exactly, with no download address in the lock', () => {
    const {dependencies, devDependencies} = JSON.parse(text('package.json')) as Record<
      string,
      Record<string, string>
    >;
    expect(
      Object.entries({...dependencies, ...devDependencies}).filter(
        ([, version]) => !/^\d+\.\d+\.\d+$/.test(version),
      ),
    ).toEqual([]);
    expect(text('package-lock.json')).not.toMatch(/"resolved": "http/);
  });

  it('ships the API that its types promise', () => {
    expect(existsSync(join('build', 'lib', 'index.d.ts'))).toBe(true);
  });
});
