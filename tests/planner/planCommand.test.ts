import {spawnSync} from 'node:child_process';
import {writeFileSync} from 'node:fs';
import {join, relative} from 'node:path';
import {describe, expect, it} from 'vitest';
import {planSpec} from '#lib/specPlanner/planSpec.js';
import {brokenAt} from '#scripts/plan/readJson.js';
import {tinySpec} from '../specPlanner/specs.js';
import {temporaryFolder} from '../helpers/folders';

const folder = temporaryFolder('plan');

function file(name: string, content: unknown): string {
  const path = join(folder, name);
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  return path;
}

function plan(...args: string[]) {
  const {status, stdout, stderr} = spawnSync(process.execPath, ['build/scripts/plan.js', ...args], {
    encoding: 'utf8',
  });
  return {status, stdout, stderr};
}

const good = file('good.json', tinySpec(4, 8));

describe('npm run plan', () => {
  it('with --json prints one object and nothing else, with exactly these keys', () => {
    const {status, stdout} = spawnSync(
      'npm',
      ['run', '-s', 'plan', '--', '--spec', good, '--json'],
      {encoding: 'utf8'},
    );
    expect(status).toBe(0);
    expect(stdout.indexOf('\n')).toBe(stdout.length - 1);
    const found = JSON.parse(stdout) as ReturnType<typeof planSpec>;
    expect(found).toEqual(JSON.parse(JSON.stringify(planSpec(tinySpec(4, 8)))));
    expect(Object.keys(found)).toEqual(['parameters', 'flopsPerStep', 'rows']);
    for (const row of found.rows) {
      expect(Object.keys(row)).toEqual(['strategy', 'prediction', 'reason']);
      const {strategy, prediction} = row;
      expect(Object.keys(strategy)).toEqual([
        'mesh',
        'microBatch',
        'microBatches',
        'zero',
        'recompute',
        'sequenceParallel',
        'stagesPerRank',
        'schedule',
      ]);
      expect(Object.keys(strategy.mesh)).toEqual(['data', 'tensor', 'pipeline']);
      expect(Object.keys(prediction)).toEqual([
        'memory',
        'fits',
        'stepSeconds',
        'hardwareFlops',
        'mfu',
        'bubble',
        'traffic',
      ]);
      expect(Object.keys(prediction.memory)).toEqual([
        'parameters',
        'gradients',
        'optimizer',
        'activations',
        'total',
      ]);
      expect(Object.keys(prediction.traffic)).toEqual(['tensor', 'pipeline', 'data']);
    }
  });

  it('without it prints a table with units, what was tried, and the verdict', () => {
    const {status, stdout} = plan('--spec', good);
    expect(status).toBe(0);
    expect(stdout).toMatch(/billion parameters, .* operations a step/);
    expect(stdout).toMatch(/data x tensor x pipeline {2}micro-batches {2}zero/);
    expect(stdout).toMatch(/^4 x 1 x 1 .* kB .* (ms|s) .* %/m);
    expect(stdout).toMatch(/^\d+ tried, \d+ of \d+ rows fit; shown: the best of each mesh\.$/m);
    expect(stdout).toContain(`Verdict: ${planSpec(tinySpec(4, 8)).rows[0].reason}`);
  });

  it('without sizes has dashes where times would be', () => {
    const {status, stdout} = plan(
      '--spec',
      file('alone.json', {...tinySpec(4, 8), model: {parameters: 3000}}),
    );
    expect(status).toBe(0);
    expect(stdout).toMatch(/yes {3}-/);
    expect(stdout).not.toMatch(/null|NaN|undefined/);
  });

  it('is done, exit 0, also where nothing fits', () => {
    const {status, stdout} = plan(
      '--spec',
      file('small.json', {
        ...tinySpec(4, 8),
        machine: {...tinySpec(4, 8).machine, memoryBytes: 10},
      }),
    );
    expect(status).toBe(0);
    expect(stdout).toMatch(
      /\d+ tried, 0 of \d+ rows fit[^]*Verdict: none of \d+ tried fits, and this comes nearest/,
    );
  });

  it('is the same through npx, in any folder of the clone, with a path as it is typed there', () => {
    const through = (path: string, cwd: string) => {
      const {status, stdout} = spawnSync('npx', ['many-hands', 'plan', '--spec', path, '--json'], {
        cwd,
        encoding: 'utf8',
      });
      return {status, stdout};
    };
    const {stdout} = plan('--spec', good, '--json');
    expect(through(relative('notebooks', good), 'notebooks')).toEqual({status: 0, stdout});
    expect(through(relative('.', good), '.')).toEqual({status: 0, stdout});
  });

  it('--help says all of it', () => {
    const {status, stdout} = plan('--help');
    expect(status).toBe(0);
    expect(stdout).toMatch(/--spec FILE[^]*"memoryBytes"[^]*Exit code: 0/);
  });

  it.each([
    [[], /name the spec, --spec FILE/],
    [['--spec', good, '--jason'], /Unknown option '--jason'/],
    [['--spec'], /--spec <value>' argument missing/],
    [[good], /Unexpected argument/],
    [['--spec', join(folder, 'none.json')], /cannot be read: there is no such file/],
    [['--spec', folder], /cannot be read: it is a folder/],
    [
      ['--spec', file('broken.json', '{"model": {"layers": 2,\n  "hidden": eight}}')],
      /broken.json is not JSON: line 2, column 13: "eight}}" cannot stand there/,
    ],
    [
      ['--spec', file('short.json', '{"model": {"layers": 2}')],
      /short.json is not JSON: line 1, column 24: it ends too soon/,
    ],
    [
      ['--spec', file('zero.json', {...tinySpec(0, 8)}), '--json'],
      /spec: machine.devices must be a whole number from 1 to 1000000; it is 0/,
    ],
  ])('%j is wrong use: exit 2, one sentence on stderr, nothing on stdout', (args, message) => {
    const {status, stdout, stderr} = plan(...args);
    expect({status, stdout}).toEqual({status: 2, stdout: ''});
    expect(stderr).toMatch(message);
    expect(stderr).toMatch(/npm run plan -- --help says how to use it/);
    expect(stderr).not.toMatch(/\n\s+at /);
  });

  it('loads neither tfjs nor anything else that is installed', () => {
    const program =
      "const {main} = require('./build/scripts/plan.js'); void main(process.argv.slice(1)).then(() => process.stderr.write(Object.keys(require.cache).filter((file) => file.includes('node_modules')).join()))";
    const {stdout, stderr} = spawnSync(
      process.execPath,
      ['-e', program, '--', '--spec', good, '--json'],
      {encoding: 'utf8'},
    );
    expect(stdout).toMatch(/^\{"parameters":/);
    expect(stderr).toBe('');
  });
});

describe('where JSON is broken', () => {
  it.each([
    ['', 0],
    ['{', 1],
    ['{"a"', 4],
    ['{"a" 1}', 5],
    ['{"a": }', 6],
    ['{"a": 1,}', 8],
    ['{a: 1}', 1],
    ["{'a': 1}", 1],
    ['[1 2]', 3],
    ['[1,]', 3],
    ['{"a": 01}', 7],
    ['{"a": 1}}', 8],
    ['{"a": "b\n"}', 6],
    ['{"a": +1}', 6],
    ['{"a": 1e5, // flops\n}', 11],
    ['[1}', 2],
    ['nul', 0],
  ])('%j: at %d', (text, at) => {
    expect(() => JSON.parse(text) as unknown).toThrow();
    expect(brokenAt(text)).toBe(at);
  });

  it('is nowhere before the end of what is whole', () => {
    for (const text of [
      '{"a": [1, -2.5e-3, true, null, {"b": "\\u00e9\\n"}], "c": {}}',
      ' [ ] ',
      '0',
    ])
      expect(brokenAt(text)).toBe(text.length);
  });
});
