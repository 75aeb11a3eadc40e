import {execFileSync} from 'node:child_process';
import {existsSync, readFileSync} from 'node:fs';
import {dirname, join, relative, resolve} from 'node:path';
import {describe, expect, it} from 'vitest';

/**
 * The order of `lib`: a folder imports only itself and folders listed before it. CONTRIBUTING says
 * what each is for.
 */
const ORDER = [
  ...['base', 'devices', 'trace', 'workers', 'collectives', 'mesh', 'model', 'memory', 'step'],
  ...['memoryEstimate', 'data', 'models', 'dataParallel', 'zero', 'tensorParallel'],
  ...['pipelineParallel', 'config', 'placement', 'checkpoint', 'job', 'rank', 'run', 'report'],
  ...['specPlanner', 'simulate', 'planner', 'trainParallel', 'validatePlan', 'notebook', 'quiz'],
  ...['index', 'public'],
];

/** Code that runs in the caller's process alone. Only `rank` runs in a worker alone. */
const CALLER = [
  ...['run', 'report', 'specPlanner', 'simulate', 'planner', 'trainParallel', 'validatePlan'],
  ...['notebook', 'quiz', 'public', 'index'],
];

const files = (...patterns: string[]) =>
  execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', ...patterns], {
    encoding: 'utf8',
  })
    .split('\n')
    .filter((file) => file && existsSync(file));
const sources = files('lib/*.ts', 'scripts/*.ts', 'scripts/*.mjs');
const text = (file: string) => readFileSync(file, 'utf8');

/** 'lib/step/tape.ts' belongs to 'step', 'lib/index.ts' to 'index'. */
const partOf = (file: string) => file.split('/')[1].replace(/\.ts$/, '');

function importsOf(file: string): string[] {
  return [...text(file).matchAll(/(?:from|import|require\()\s*'(\.{1,2}\/[^']+)'/g)].map(
    ([, target]) => relative('.', resolve(dirname(file), target)),
  );
}

/** Imports that stay in the compiled program: neither `import type` nor types alone in braces. */
function runtimeImportsOf(file: string): string[] {
  const statements = text(file).matchAll(
    /(?:import|export)\s+(?!type\b)(\{[^}]*\}|[^;{}'"]*?)\s*from\s*'(\.{1,2}\/[^']+)'/g,
  );
  const isType = (name: string) => !name.trim() || name.trim().startsWith('type ');
  return [...statements]
    .filter(([, names]) => !names.startsWith('{') || !names.slice(1, -1).split(',').every(isType))
    .map(([, , target]) => relative('.', resolve(dirname(file), target)));
}

/** Groups of files that import each other (Tarjan's strongly connected components). */
function circles(modules: string[]): string[][] {
  const known = new Set(modules);
  const fileOf = (target: string) =>
    [`${target}.ts`, join(target, 'index.ts')].find((file) => known.has(file));
  const edges = new Map(
    modules.map((file) => [file, importsOf(file).flatMap((target) => fileOf(target) ?? [])]),
  );
  const order = new Map<string, number>();
  const lowest = new Map<string, number>();
  const stack: string[] = [];
  const groups: string[][] = [];
  const visit = (file: string): void => {
    order.set(file, order.size);
    lowest.set(file, order.get(file)!);
    stack.push(file);
    for (const target of edges.get(file)!) {
      if (!order.has(target)) visit(target);
      if (stack.includes(target))
        lowest.set(file, Math.min(lowest.get(file)!, lowest.get(target)!));
    }
    if (lowest.get(file) !== order.get(file)) return;
    const group = stack.splice(stack.indexOf(file));
    if (group.length > 1) groups.push(group.sort());
  };
  for (const file of modules) if (!order.has(file)) visit(file);
  return groups;
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

  it("keeps a rank's code out of the caller's process, but for types", () => {
    const across = files('lib/*.ts')
      .filter((file) => CALLER.includes(partOf(file)))
      .flatMap((file) =>
        runtimeImportsOf(file)
          .filter((target) => partOf(target) === 'rank')
          .map((target) => `${file} imports ${target}`),
      );
    expect(across).toEqual([]);
  });

  it('has no circle of imports, types included', () => {
    expect(circles(files('lib/*.ts'))).toEqual([]);
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

  it("reaches into tfjs's private parts in a few files only", () => {
    // A cast that the compiler cannot check is what such a reach looks like.
    const allowed =
      /^lib\/(devices\/.*|model\/tfjs(Internals|Layers)|memory\/(tensorflow|javascript)Hooks)\.ts$/;
    expect(
      files('lib/*.ts').filter(
        (file) => /\bas unknown as\b/.test(text(file)) && !allowed.test(file),
      ),
    ).toEqual([]);
  });

  it('holds one idea a file: 300 lines at most', () => {
    expect(sources.filter((file) => text(file).split('\n').length - 1 > 300)).toEqual([]);
  });

  it('says in its first line what a module of lib is', () => {
    const silent = files('lib/*.ts').filter(
      (file) => !/^\/\*\*\s*(?:\*\s*)?(?:\n \* )?[A-Z`'0-9]/.test(text(file)),
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
