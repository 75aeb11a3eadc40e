import {spawnSync} from 'node:child_process';
import ts from 'typescript';
import {describe, expect, it} from 'vitest';

const config = ts.parseJsonConfigFileContent(
  ts.readConfigFile('tsconfig.json', ts.sys.readFile).config,
  ts.sys,
  '.',
);
const program = ts.createProgram(['lib/index.ts'], {
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

/** What `lib/index.ts` exports of ours, tfjs itself aside. */
const api: Public[] = checker
  .getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile('lib/index.ts')!)!)
  .map((symbol) =>
    symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol,
  )
  .filter((symbol) =>
    symbol.declarations?.every((one) => !one.getSourceFile().fileName.includes('node_modules')),
  )
  .map((symbol) => ({
    name: symbol.name,
    docs: ts.displayPartsToString(symbol.getDocumentationComment(checker)),
    declaration: symbol.declarations![0],
  }));

const file = ({declaration}: Public) => declaration.getSourceFile().fileName;
const functions = api.filter(({declaration}) => ts.isFunctionDeclaration(declaration));

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
