import {spawnSync} from 'node:child_process';
import {readFileSync} from 'node:fs';
import ts from 'typescript';
import {describe, expect, it} from 'vitest';

const config = ts.parseJsonConfigFileContent(
  ts.readConfigFile('tsconfig.json', ts.sys.readFile).config,
  ts.sys,
  '.',
);
/** The public entries, by subpath: what package.json says is built from which source. */
const {exports: subpaths, typesVersions} = JSON.parse(readFileSync('package.json', 'utf8')) as {
  exports: Record<string, string | {types: string; default: string}>;
  typesVersions: {'*': Record<string, string[]>};
};
const entries = Object.entries(subpaths).flatMap(([subpath, target]) =>
  typeof target === 'string'
    ? []
    : [{subpath, target, source: target.types.replace(/^\.\/build\/(.*)\.d\.ts$/, '$1.ts')}],
);

const sources = entries.map(({source}) => source);
const program = ts.createProgram(sources, {
  ...config.options,
  incremental: false,
  noEmit: true,
  tsBuildInfoFile: undefined,
});
const checker = program.getTypeChecker();

interface Public {
  name: string;
  docs: string;
  declaration: ts.Declaration;
}

/** The names, values and types, that a source file exports. */
const exportsOf = (source: string): ts.Symbol[] =>
  checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(source)!)!);
const namesOf = (source: string) => exportsOf(source).map(({name}) => name);
const unaliased = (symbol: ts.Symbol) =>
  symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;

/** What the entries export of ours, tfjs itself aside. */
const api: Public[] = [...new Set(sources.flatMap(exportsOf).map(unaliased))]
  .filter((symbol) =>
    symbol.declarations?.every((one) => !one.getSourceFile().fileName.includes('node_modules')),
  )
  .map((symbol) => ({
    name: symbol.name,
    docs: ts.displayPartsToString(symbol.getDocumentationComment(checker)),
    declaration: symbol.declarations![0],
  }));

/** A program of CommonJS in the clone, on the JavaScript engine, which says nothing when it loads. */
const run = (code: string) =>
  spawnSync(process.execPath, ['-e', code], {
    encoding: 'utf8',
    env: {...process.env, MANY_HANDS_ENGINE: 'javascript'},
  });

const file = ({declaration}: Public) => declaration.getSourceFile().fileName;
const functions = api.filter(({declaration}) => ts.isFunctionDeclaration(declaration));

describe('the entries', () => {
  const ofCourse = namesOf('lib/public/course.ts');

  it('exports at most 70 names from the root, none of the notebook or the quiz', () => {
    const root = namesOf('lib/index.ts');
    expect(root.length).toBeGreaterThan(20);
    expect(root.length).toBeLessThanOrEqual(70);
    const elsewhere = ['notebook', 'quiz'].flatMap((name) => namesOf(`lib/public/${name}.ts`));
    expect(root.filter((name) => elsewhere.includes(name))).toEqual([]);
    const tooGeneral =
      /^(Link|Row|Cell|Step|Message|Update|Compute|Stage|Split|Bar|Bend|Action|Numbers|predict|answer|check|table|show|median)$/;
    expect(root.filter((name) => tooGeneral.test(name))).toEqual([]);
  });

  it('exports everything from many-hands/course', () => {
    for (const source of sources)
      expect(namesOf(source).filter((name) => !ofCourse.includes(name), source)).toEqual([]);
  });

  it('names each subpath for both ways of finding types: exports, and typesVersions for tslab', () => {
    expect(entries.map(({subpath}) => subpath)).toEqual([
      ...['.', './planner', './collectives', './schedule', './data', './models'],
      ...['./notebook', './quiz', './course'],
    ]);
    expect(typesVersions['*']).toEqual(
      Object.fromEntries(
        entries
          .filter(({subpath}) => subpath !== '.')
          .map(({subpath, target}) => [subpath.slice(2), [target.types]]),
      ),
    );
    const {entryPoints} = JSON.parse(readFileSync('typedoc.json', 'utf8')) as {
      entryPoints: string[];
    };
    expect(entryPoints).toEqual(sources);
  });

  it.each(entries)('$subpath: what it exports is there at run time', ({target, source}) => {
    const values = exportsOf(source)
      .filter((symbol) => unaliased(symbol).flags & ts.SymbolFlags.Value)
      .map(({name}) => name);
    const {stdout, stderr} = run(
      `process.stdout.write(JSON.stringify(Object.keys(require(${JSON.stringify(target.default)}))))`,
    );
    expect(stderr).toBe('');
    expect((JSON.parse(stdout) as string[]).sort()).toEqual(values.sort());
  });

  it.each(['planner', 'collectives', 'data', 'quiz'])(
    'many-hands/%s loads neither tfjs nor an engine',
    (subpath) => {
      const {stdout} = run(
        `require('many-hands/${subpath}');
         console.log(Object.keys(require.cache).filter((file) => file.includes('@tensorflow')).length);`,
      );
      expect(stdout).toBe('0\n');
    },
  );

  it('listens to no run, and starts nothing, when the library is imported', () => {
    const {stdout, stderr, status} = run(
      `const before = process.eventNames();
       require('many-hands');
       const {emitRun} = require('#lib/base/events.js');
       const print = (text) => emitRun({type: 'output', run: 1, rank: 0, stream: 'stdout', text});
       const added = process.eventNames().filter((name) => !before.includes(name));
       print('nobody listens');
       console.log(JSON.stringify(added), process.getActiveResourcesInfo().length);
       require('many-hands/course');
       print('the course listens');`,
    );
    expect([stdout, stderr, status]).toEqual(['[] 0\n[rank 0] the course listens\n', '', 0]);
  });
});

describe('the public list', () => {
  it('has a docstring for every name', () => {
    expect(api.length).toBeGreaterThan(80);
    expect(
      api.filter(({docs}) => docs.trim() === '').map((one) => `${one.name} in ${file(one)}`),
    ).toEqual([]);
  });

  it('says of every function that refuses something what it throws', () => {
    const refusing = functions.filter(({declaration}) =>
      /throw new ManyHandsError|\b(?:readOptions|checkValue|refuseOption)\(/.test(
        declaration.getText(),
      ),
    );
    expect(refusing.length).toBeGreaterThan(10);
    expect(
      refusing
        .filter(({docs}) => !/\bthrows\b|\brejects with\b/i.test(docs))
        .map((one) => `${one.name} in ${file(one)}`),
    ).toEqual([]);
  });

  it('says the shape of what a data source or a model takes and gives', () => {
    const shaped = functions.filter(
      (one) =>
        /\/lib\/(data|models)\//.test(file(one)) &&
        /: (tf\.|LayersModel|Samples|DrivingFrames|\{train)/.test(
          one.declaration.getText().split('{')[0] + one.declaration.getText(),
        ),
    );
    expect(
      shaped
        .filter(({docs}) => !/\[[^\]]+\]/.test(docs))
        .map((one) => `${one.name} in ${file(one)}`),
    ).toEqual([]);
  });

  it('says the unit, or the meaning, of every number that an interface carries', () => {
    const unit =
      /(Bytes|Seconds|PerSecond|PerEpoch)$|^(seconds|rank|threads|size|seed|loss|samples|epochs?|steps?|heads|cars)$/;
    const silent = api.flatMap((one) => {
      if (!ts.isInterfaceDeclaration(one.declaration)) return [];
      return one.declaration.members
        .filter(ts.isPropertySignature)
        .filter((member) => {
          const {kind} = member.type ?? {kind: ts.SyntaxKind.AnyKeyword};
          const name = member.name.getText();
          return (
            kind === ts.SyntaxKind.NumberKeyword &&
            !unit.test(name) &&
            ts.getJSDocCommentsAndTags(member).length === 0
          );
        })
        .map((member) => `${one.name}.${member.name.getText()}`);
    });
    expect(silent).toEqual([]);
  });

  it('becomes API pages without a warning: no name without a docstring, no dead link, no type left out', () => {
    const {stdout, stderr, status} = spawnSync(
      process.execPath,
      ['node_modules/typedoc/bin/typedoc', '--emit', 'none'],
      {encoding: 'utf8'},
    );
    expect(stdout + stderr).toBe('');
    expect(status).toBe(0);
  });
});
