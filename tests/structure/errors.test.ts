import {execFileSync} from 'node:child_process';
import {readFileSync} from 'node:fs';
import {describe, expect, it} from 'vitest';

const sources = execFileSync('git', ['ls-files', 'lib/*.ts'], {encoding: 'utf8'})
  .split('\n')
  .filter(Boolean);
const text = new Map(sources.map((file) => [file, readFileSync(file, 'utf8')]));

/** The codes of the union `ErrorCode`. */
const codes = [
  ...text
    .get('lib/base/errors.ts')!
    .split('export type ErrorCode =')[1]
    .split(';')[0]
    .matchAll(/'(\w+)'/g),
].map(([, code]) => code);

describe('errors in lib', () => {
  it('are made with a code', () => {
    const without = [...text].flatMap(([file, source]) =>
      [...source.matchAll(/new (Error|[A-Z]\w*Error|DOMException)\(/g)]
        .filter(([, name]) => !['ManyHandsError', 'MemoryLimitError'].includes(name))
        .map(([match]) => `${file}: ${match}`),
    );
    // The worker's stack as the cause of an error that has a code.
    expect(without).toEqual(['lib/workers/protocol.ts: new Error(']);
  });

  it('have a code of the union', () => {
    const used = [...text].flatMap(([file, source]) =>
      [...source.matchAll(/new ManyHandsError\(\s*'(\w+)'/g)].map(([, code]) => ({file, code})),
    );
    expect(used.length).toBeGreaterThan(100);
    expect(used.filter(({code}) => !codes.includes(code))).toEqual([]);
  });

  it('are not thrown or rejected as other values', () => {
    const others = [...text].flatMap(([file, source]) =>
      [...source.matchAll(/(throw|reject\()\s*(['"`{[]|\d)/g)].map(
        ([match]) => `${file}: ${match}`,
      ),
    );
    expect(others).toEqual([]);
  });
});
