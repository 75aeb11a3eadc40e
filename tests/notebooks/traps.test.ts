/** Each trap: the check finds it, and the real kernel walks into it. */
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {setTimeout as sleep} from 'node:timers/promises';
import {Kernel} from '#scripts/notebooks/kernel.js';
import {findTraps} from '#scripts/notebooks/traps.js';
import {makeWorkspace, type Workspace} from '#scripts/notebooks/workspace.js';
import {notebookOf} from './fixtures';

interface Trap {
  rule: string;
  name: string;
  cells: string[];
  /**
   * What the kernel says to the last cell, which fails; or, where it fails in silence, what the
   * last cell prints and should not.
   */
  fails?: RegExp;
  prints?: string;
  /** The same, done right: no trap, and the last cell prints this. */
  instead: string[];
  good: string;
}

const traps: Trap[] = [
  {
    rule: 'shorthand',
    name: 'of a variable of an earlier cell',
    cells: ['const loss1 = 5;', 'console.log({loss1});'],
    fails: /loss1 is not defined/,
    instead: ['const loss2 = 5;', 'console.log({loss2: loss2});'],
    good: '{ loss2: 5 }',
  },
  {
    rule: 'shorthand',
    name: 'of an import of an earlier cell',
    cells: ["import {cpus} from 'node:os';", 'console.log({cpus});'],
    fails: /cpus is not defined/,
    instead: ["import {arch} from 'node:os';", 'console.log(typeof {arch: arch}.arch);'],
    good: 'function',
  },
  {
    rule: 'shorthand',
    name: 'inside a function',
    cells: ['const rate1 = 5;', 'function options1() { return {rate1}; }\noptions1();'],
    fails: /rate1 is not defined/,
    instead: [
      'const rate2 = 5;',
      'function options2(rate2: number) { return {rate2}; }\nconsole.log(options2(7));',
    ],
    good: '{ rate2: 7 }',
  },
  {
    rule: 'shorthand-assignment',
    name: 'to a variable of an earlier cell',
    cells: ['let best1 = 1;', '({best1} = {best1: 5});', 'console.log(best1);'],
    prints: '1',
    instead: ['let best2 = 1;', '({best2: best2} = {best2: 5});', 'console.log(best2);'],
    good: '5',
  },
  {
    rule: 'shorthand-assignment',
    name: "in a loop over an earlier cell's variable",
    cells: ['let at1 = 0;', 'for ({at1} of [{at1: 4}]) { }', 'console.log(at1);'],
    prints: '0',
    instead: ['let at2 = 0;', 'for (const {at} of [{at: 4}]) at2 = at;', 'console.log(at2);'],
    good: '4',
  },
  {
    rule: 'loop-assignment',
    name: 'for of',
    cells: ['let last1 = 0;\nfor (last1 of [1, 2, 3]) { }', 'console.log(last1);'],
    prints: '0',
    instead: ['let last2 = 0;\nfor (const each of [1, 2, 3]) last2 = each;', 'console.log(last2);'],
    good: '3',
  },
  {
    rule: 'loop-assignment',
    name: 'for in, inside a function',
    cells: [
      "let key1 = '';\nfunction walk1() { for (key1 in {a: 1}) { } }\nwalk1();",
      "console.log(key1 === '');",
    ],
    prints: 'true',
    instead: ["let key2 = '';\nfor (const key in {a: 1}) key2 = key;", 'console.log(key2);'],
    good: 'a',
  },
  {
    rule: 'captured',
    name: 'a function goes on with the old value',
    cells: [
      'let size1 = 1;\nconst sizeNow1 = () => size1;',
      'size1 = 2;',
      'console.log(sizeNow1());',
    ],
    prints: '1',
    instead: [
      'const state = {size: 1};\nconst sizeNow2 = () => state.size;',
      'state.size = 2;',
      'console.log(sizeNow2());',
    ],
    good: '2',
  },
  {
    rule: 'captured',
    name: 'a class too',
    cells: [
      'let step1 = 1;\nclass Clock1 { now() { return step1; } }',
      'step1++;',
      'console.log(new Clock1().now());',
    ],
    prints: '1',
    instead: ['let step2 = 1;', 'step2++;', 'console.log(step2);'],
    good: '2',
  },
  {
    rule: 'above-folder',
    name: 'a module',
    cells: ["import {up} from '../up';\nconsole.log(up);"],
    fails: /not under 'rootDir'/,
    instead: ["import {side} from './side';\nconsole.log(side);"],
    good: '1',
  },
  {
    rule: 'above-folder',
    name: 'await import',
    cells: ["const {up} = await import('../up');\nconsole.log(up);"],
    fails: /not under 'rootDir'/,
    instead: ["const os1 = await import('node:os');\nconsole.log(typeof os1.cpus);"],
    good: 'function',
  },
  {
    rule: 'course-import',
    name: 'the library without what a cell shows and asks',
    cells: ["import {median} from 'many-hands';\nconsole.log(median([1, 2, 3]));"],
    fails: /no exported member 'median'/,
    instead: ["import {median} from 'many-hands/course';\nconsole.log(median([1, 2, 3]));"],
    good: '2',
  },
  {
    rule: 'ts-extension',
    name: 'in an import',
    cells: ["import {side} from './side.ts';\nconsole.log(side);"],
    fails: /can only end with a '\.ts' extension/,
    instead: ["import {side} from './side';\nconsole.log(side);"],
    good: '1',
  },
  {
    rule: 'for-await',
    name: 'as the only await',
    cells: [
      'async function* count1() { yield 1; }',
      'for await (const each of count1()) console.log(each);',
    ],
    fails: /Unexpected reserved word/,
    instead: [
      'async function* count2() { yield 1; }',
      'await null;\nfor await (const each of count2()) console.log(each);',
    ],
    good: '1',
  },
  {
    rule: 'export',
    name: 'of a constant',
    cells: ['export const rank1 = 1;'],
    fails: /Cannot redeclare exported variable/,
    instead: ['const rank2 = 1;', 'console.log(rank2);'],
    good: '1',
  },
  {
    rule: 'export',
    name: 'of all of a module',
    cells: ["export * from 'node:fs';"],
    fails: /defineProperty/,
    instead: [
      '/** @module ranks */\nexport const rank3 = 3;',
      "import {rank3} from './ranks';\nconsole.log(rank3);",
    ],
    good: '3',
  },
  {
    rule: 'syntax',
    name: 'using',
    cells: ['{ using file = {[Symbol.dispose]() {}}; }'],
    fails: /Cannot find name 'using'/,
    instead: [
      'const file1 = {close() {}};\ntry { console.log(typeof file1); } finally { file1.close(); }',
    ],
    good: 'object',
  },
  {
    rule: 'syntax',
    name: 'import attributes',
    cells: ["import data1 from './data.json' with {type: 'json'};"],
    fails: /expected/,
    instead: ["import data2 from './data.json';\nconsole.log(data2.j);"],
    good: '1',
  },
  {
    rule: 'module-names',
    name: '__dirname',
    cells: ['console.log(__dirname);'],
    fails: /__dirname is not defined/,
    instead: ['console.log(typeof process.cwd());'],
    good: 'string',
  },
  {
    rule: 'module-names',
    name: 'import.meta',
    cells: ['console.log(import.meta.url);'],
    fails: /import\.meta/,
    instead: ['console.log(typeof process.cwd());'],
    good: 'string',
  },
  {
    rule: 'module-names',
    name: 'a variable called exports',
    cells: ['const exports = 1;'],
    fails: /'exports' has already been declared/,
    instead: ['const exported = 1;', 'console.log(exported);'],
    good: '1',
  },
  {
    rule: 'import-equals',
    name: 'import = require',
    cells: ["import fs1 = require('fs');\nconsole.log(typeof fs1);"],
    fails: /Import assignment/,
    instead: ["import * as fs2 from 'node:fs';\nconsole.log(typeof fs2);"],
    good: 'object',
  },
  {
    rule: 'browser-cell',
    name: 'runs nothing',
    cells: ['let ran1 = false;', '/** @browser */\nran1 = true;', 'console.log(ran1);'],
    prints: 'false',
    instead: ['let ran2 = false;', 'ran2 = true;', 'console.log(ran2);'],
    good: 'true',
  },
];

describe('the check for traps', () => {
  let workspace: Workspace;
  let kernel: Kernel;
  let printed = '';
  let count = 0;

  beforeAll(async () => {
    workspace = makeWorkspace([]);
    const {writeFileSync} = await import('node:fs');
    writeFileSync(`${workspace.root}/up.ts`, 'export const up = 1;\n');
    writeFileSync(`${workspace.folder}/side.ts`, 'export const side = 1;\n');
    writeFileSync(`${workspace.folder}/data.json`, '{"j": 1}\n');
    kernel = await Kernel.start(workspace.folder, process.env);
    kernel.onOutput = ({content}) => void (printed += String(content.text ?? ''));
  });

  afterAll(async () => {
    expect(await kernel?.stop()).toEqual([]);
    workspace?.remove();
  });

  /** Runs the cells; what the last one printed, and how it ended. */
  async function run(cells: readonly string[]): Promise<{status: string; printed: string}> {
    let status = '';
    for (const cell of cells) {
      printed = '';
      ({status} = await kernel.execute((count += 1), cell, 20_000));
      if (status !== 'ok') await sleep(250);
    }
    return {status, printed: printed.trim()};
  }

  it.each(traps)('$rule: $name', async ({rule, cells, fails, prints, instead, good}) => {
    const found = findTraps(notebookOf(cells));
    expect(found.map((each) => each.rule)).toEqual([rule]);
    const ran = await run(cells);
    if (fails) {
      expect(ran.status).toBe('error');
      expect(ran.printed).toMatch(fails);
    } else expect(ran).toEqual({status: 'ok', printed: prints});
    expect(findTraps(notebookOf(instead))).toEqual([]);
    expect(await run(instead)).toEqual({status: 'ok', printed: good});
  });

  it('names cell and line, and says what to write', () => {
    expect(
      findTraps(
        notebookOf(['const loss = 5;', 'md:Text', 'const x = 1;\nconsole.log({x, loss});']),
      ),
    ).toEqual([
      {
        cell: 4,
        id: 'c3',
        firstLine: 'const x = 1;',
        rule: 'shorthand',
        message:
          "line 2: {loss} is not found at run time, because 'loss' is of cell 2; write {loss: loss}",
      },
    ]);
  });

  it('leaves alone what the kernel does right', async () => {
    const fine = [
      'let total = 1;',
      'total += 1; total++; [total] = [total + 1]; ({k: total} = {k: total + 1});',
      'const a = 1; console.log({a, process: typeof {process}.process});',
      'const loss3 = 1;',
      '{ const loss3 = 2; console.log({loss3}); }',
      '[1].map((loss3) => ({loss3}));',
      'const loss3 = 3; console.log({loss3});',
      'for (const each of [1]) { await each; }',
      "import type {Stats} from 'node:fs'; const stats: Stats | null = null;",
      'async function all() { for await (const each of [1]) total += each; }',
      'let mine = 0; const add = () => { mine++; }; add();',
      "console.log(total, mine, 'export const x', \"import '../x'\");",
    ];
    expect(findTraps(notebookOf(fine))).toEqual([]);
    expect(await run(fine)).toEqual({status: 'ok', printed: "5 1 export const x import '../x'"});
  });
});
