import {execFileSync} from 'node:child_process';
import {existsSync, readFileSync, statSync} from 'node:fs';
import {dirname, relative, resolve} from 'node:path';
import ts from 'typescript';
import {describe, expect, it} from 'vitest';

const pages = execFileSync(
  'git',
  ['ls-files', '--cached', '--others', '--exclude-standard', '*.md'],
  {encoding: 'utf8'},
)
  .split('\n')
  .filter((file) => /^(README|CONTRIBUTING)\.md$|^docs\/|^benchmarks\//.test(file));
const text = (file: string) => readFileSync(file, 'utf8');
const prose = (file: string) => text(file).replace(/^```[^]*?^```/gm, '');

/** The anchors that GitHub gives a page's headings. */
const anchorsOf = (file: string) =>
  [...prose(file).matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );

interface PageLink {
  page: string;
  /** The file that it leads to, from the root of the clone. */
  file: string;
  anchor: string | null;
}

const links: PageLink[] = pages.flatMap((page) =>
  [...prose(page).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target]) => target)
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => {
      const [path, anchor = null] = target.split('#');
      const file = path ? relative('.', resolve(dirname(page), path)) : page;
      return {page, file, anchor};
    }),
);

describe('README and its pages', () => {
  it('have no link that leads nowhere', () => {
    expect(links.length).toBeGreaterThan(30);
    const broken = links.filter(
      ({file, anchor}) =>
        !existsSync(file) ||
        (anchor !== null && (!statSync(file).isFile() || !anchorsOf(file).includes(anchor))),
    );
    expect(broken).toEqual([]);
  });

  it('are two clicks away: README links every page', () => {
    const fromReadme = links.filter(({page}) => page === 'README.md').map(({file}) => file);
    const unlinked = pages.filter((page) => page.startsWith('docs/') && !fromReadme.includes(page));
    expect(unlinked).toEqual([]);
  });

  it('says on its first screen for whom it is, what it does and does not do, two commands, one picture', () => {
    const first = text('README.md').split('\n## ')[0];
    expect(first.split('\n').length).toBeLessThan(45);
    for (const word of ['learn', 'teach', 'train', 'plan']) expect(first).toContain(`**${word}**`);
    expect(first).toMatch(/What it does\.\*\*/);
    const notYet = /What it does not do yet\.\*\*([^]*?)\n\n/.exec(first)?.[1];
    expect(notYet).toMatch(/one\s+machine[^]*float32[^]*tf\.data\.Dataset[^]*checkpoints/);
    expect(/^```\n([^]*?)^```/m.exec(first)?.[1].trim().split('\n').length).toBe(2);
    expect([...first.matchAll(/^!\[[^\]]{20,}\]\(/gm)].length).toBe(1);
  });
});

/** The names in backticks in the first column of the table under a heading. */
function firstColumn(page: string, heading: string): string[] {
  const section = text(page).split(`\n## ${heading}\n`)[1]?.split('\n## ')[0] ?? '';
  return section
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .flatMap((line) => [...line.split(' | ')[0].matchAll(/`([^`]+)`/g)].map(([, name]) => name));
}

/** The rows of the table of entries: the entry, then the values that it exports. */
const entries = text('docs/training.md')
  .split('\n## Entries\n')[1]
  .split('\n')
  .filter((line) => line.startsWith('| `many-hands'))
  .map((line) => [...line.matchAll(/`([^`]+)`/g)].map(([, name]) => name));

/** The TypeScript programs of the pages; a page's short ones use the names of the text around them. */
const given = `import {type Data, plan, tf, trainParallel} from 'many-hands';
declare const model: tf.LayersModel;
declare const data: Data;
`;
const programs = ['README.md', ...pages.filter((page) => page.startsWith('docs/'))].flatMap(
  (page) =>
    [...text(page).matchAll(/^```ts\n([^]*?)^```/gm)].map(([, code], i) => ({
      name: `${page}, program ${i + 1}`,
      code: code.includes('import ') ? code : given + code,
    })),
);

/** Everything that TypeScript is asked about, as modules that stand in the clone's folder. */
const modules = new Map<string, string>([
  [
    resolve('types.mts'),
    `import type {SpmdContext, SpmdOptions, Strategy, StrategyFields, TrainOptions, TrainParallelOptions, TrainResult} from 'many-hands';
     type Keys<T> = T extends object ? keyof T : never;
     export type Options = Record<keyof TrainOptions | keyof TrainParallelOptions, 0>;
     export type Fields = Record<keyof StrategyFields | 'kind' | 'mesh' | 'zero', 0>;
     export type Known = Record<Extract<Keys<Strategy>, string>, 0>;
     export type Results = Record<keyof TrainResult, 0>;
     export type Spmd = Record<keyof SpmdOptions, 0>;
     export type Context = Record<keyof SpmdContext, 0>;`,
  ],
  [
    resolve('entries.mts'),
    entries
      .flatMap(([entry, ...names]) =>
        names.map((name) => `import {${name} as _} from '${entry}'; void _;`),
      )
      .map((line, i) => line.replace(/\b_\b/g, `name${i}`))
      .join('\n'),
  ],
  ...programs.map(({code}, i): [string, string] => [resolve(`page${i}.mts`), code]),
]);

const config = ts.parseJsonConfigFileContent(
  ts.readConfigFile('tsconfig.json', ts.sys.readFile).config,
  ts.sys,
  '.',
);
const options = {
  ...config.options,
  noUnusedLocals: false,
  incremental: false,
  noEmit: true,
  tsBuildInfoFile: undefined,
};
const host = ts.createCompilerHost(options);
const {getSourceFile, fileExists, readFile} = host;
host.getSourceFile = (name, ...rest) =>
  modules.has(name)
    ? ts.createSourceFile(name, modules.get(name)!, ts.ScriptTarget.ES2022)
    : getSourceFile.call(host, name, ...rest);
host.fileExists = (name) => modules.has(name) || fileExists.call(host, name);
host.readFile = (name) => modules.get(name) ?? readFile.call(host, name);
const program = ts.createProgram([...modules.keys()], options, host);
const checker = program.getTypeChecker();

/** What TypeScript has against a module. */
function errorsOf(module: string): string[] {
  const source = program.getSourceFile(resolve(module));
  return [
    ...program.getSyntacticDiagnostics(source),
    ...program.getSemanticDiagnostics(source),
  ].map(({messageText}) => ts.flattenDiagnosticMessageText(messageText, ' '));
}

function keysOf(type: string): string[] {
  const source = program.getSourceFile(resolve('types.mts'))!;
  const symbol = checker
    .getExportsOfModule(checker.getSymbolAtLocation(source)!)
    .find(({name}) => name === type)!;
  return checker.getPropertiesOfType(checker.getDeclaredTypeOfSymbol(symbol)).map(({name}) => name);
}

describe('the tables of options', () => {
  it.each([
    ['docs/training.md', 'Options', 'Options'],
    ['docs/training.md', 'Options by strategy', 'Fields'],
    ['docs/training.md', 'What a run returns', 'Results'],
    ['docs/spmd.md', 'Options', 'Spmd'],
    ['docs/spmd.md', 'The program', 'Context'],
  ])('%s, "%s": the names of the type %s, all of them and no others', (page, heading, type) => {
    expect(errorsOf('types.mts')).toEqual([]);
    expect(firstColumn(page, heading).sort()).toEqual(keysOf(type).sort());
  });

  it('names only what a strategy has', () => {
    const fields = firstColumn('docs/training.md', 'Options by strategy');
    expect(fields.filter((name) => !keysOf('Known').includes(name))).toEqual([]);
  });

  it('names only what an entry exports', () => {
    const {exports} = JSON.parse(text('package.json')) as {exports: Record<string, unknown>};
    expect(entries.map(([entry]) => entry.replace('many-hands', '.'))).toEqual(
      Object.keys(exports).filter((subpath) => subpath !== './package.json'),
    );
    expect(errorsOf('entries.mts')).toEqual([]);
  });

  it.each(programs.map(({name}, i) => [name, i] as const))('%s: no type error', (_, i) => {
    expect(errorsOf(`page${i}.mts`)).toEqual([]);
  });
});
