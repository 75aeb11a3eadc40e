import {join} from 'node:path';
import {pathToFileURL} from 'node:url';
import {describe, expect, it} from 'vitest';
import {freeNames} from '#lib/job/portable.js';
import {closeWorkers, spmd, tf, type SpmdProgram} from '#lib/index.js';
import {refusal} from '../helpers/refusal';

/** A program from its text: a test runner rewrites functions that stand in a test file. */
const program = (text: string) =>
  new Function(`return (${text});`)() as SpmdProgram<unknown, unknown>;

describe('spmd', () => {
  it('runs a function on every rank, with what it needs, and resolves by rank', async () => {
    const results = await spmd(
      program(`async ({rank, size, comm, tf, device, args}) => {
      const sum = new Float32Array([rank + 1]);
      await comm.allReduce(sum);
      const product = tf.tidy(() => tf.scalar(args.factor).mul(rank).dataSync()[0]);
      return {rank, size, sum: sum[0], product, device: device.id, ledger: comm.ledger()};
    }`),
      {devices: ['cpu', 'cpu', 'cpu'], args: {factor: 10}},
    );
    expect(results).toMatchObject(
      [0, 1, 2].map((rank) => ({rank, size: 3, sum: 6, product: 10 * rank, device: 'cpu'})),
    );
  });

  it('takes a module, and one rank alone', async () => {
    const url = pathToFileURL(join(__dirname, 'fixtures', 'program.mjs'));
    expect(await spmd(url, {devices: 2})).toEqual([
      [1, 2],
      [1, 2],
    ]);
    expect(await spmd(url.href, {devices: 1})).toEqual([[1]]);
  });

  it('refuses what cannot travel, by name, before a worker starts', async () => {
    const outer = await refusal(
      spmd(program('({rank}) => rank + outer + other.tf.zeros + many_hands_1.predict + Math.PI')),
    );
    expect(outer.code).toBe('BAD_OPTION');
    expect(outer.message).toContain("'outer', 'other', 'predict' from outside");
    expect(
      (await refusal(spmd(program('() => 1'), {args: {weights: [tf.zeros([2])]}}))).message,
    ).toContain('a tensor of shape [2] at args.weights.0');
    expect((await refusal(spmd(Math.max as unknown as SpmdProgram))).message).toContain('built-in');
    expect((await refusal(spmd(5 as unknown as string))).message).toContain('5 (number)');
    expect((await refusal(spmd(program('() => 1'), {device: 2} as object))).message).toContain(
      "no option 'device'",
    );
    expect((await refusal(spmd('./no-such-module.mjs'))).message).toContain('./no-such-module.mjs');
    expect((await refusal(spmd(program('() => 1'), {devices: 1000}))).message).toContain('1000');
  });

  it('says on which rank a program failed, and why', async () => {
    const failed = await refusal(
      spmd(
        program(
          "async ({rank, comm}) => { if (rank === 1) throw new TypeError('no such weight'); await comm.barrier(); }",
        ),
      ),
    );
    expect(failed.code).toBe('WORKER');
    expect(failed.message).toMatch(/rank 1 of 2: .*TypeError: no such weight\./);
    const returned = await refusal(spmd(program('({tf}) => tf.zeros([3])')));
    expect(returned.message).toContain('returned a tensor of shape [3]');
  });

  it('ends a wait for a rank that does not come, naming it', async () => {
    const missing = await refusal(
      spmd(
        program(
          'async ({rank, comm}) => { if (rank === 0) await comm.barrier({label: "lonely"}); }',
        ),
        {timeoutMs: 500},
      ),
    );
    expect(missing.code).toBe('TIMEOUT');
    expect(missing.message).toMatch(/lonely.*rank 1/);
    expect(await spmd(program('({rank}) => rank'))).toEqual([0, 1]);
  });

  it('does not reuse a worker in which a program left tensors', async () => {
    // Warm workers may keep constants of the runs before.
    await closeWorkers();
    const left = program(
      '({tf}) => { tf.zeros([2]); return [process.pid, tf.memory().numTensors]; }',
    );
    const [[first], [second]] = (await spmd(left)) as number[][];
    const clean = (await spmd(
      program('({tf}) => [process.pid, tf.memory().numTensors]'),
    )) as number[][];
    for (const [pid, tensors] of clean) {
      expect([first, second]).not.toContain(pid);
      expect(tensors).toBe(0);
    }
  });

  it('stops at a signal, also while a rank waits', async () => {
    const signal = AbortSignal.timeout(300);
    const stopped = await refusal(
      spmd(
        program(
          'async ({rank, comm}) => { if (rank === 0) await comm.recv(new Float32Array(1), {from: 1}); else await new Promise((r) => setTimeout(r, 2000)); }',
        ),
        {signal},
      ),
    );
    expect(stopped.code).toBe('ABORTED');
  });
});

describe('freeNames', () => {
  it('finds the outer names alone', () => {
    expect(
      freeNames(
        '({rank}, ...rest) => { const {a: [b] = []} = rest; for (const c of rest) b.push(c); label: for (;;) break label; return {rank, b, x: console, y: Math}; }',
      ),
    ).toEqual([]);
    expect(freeNames('function f(n) { return n < 2 ? 1 : n * f(n - 1) + typeof gone; }')).toEqual([
      'gone',
    ]);
    expect(freeNames('() => ({shorthand})')).toEqual(['shorthand']);
    expect(
      freeNames(
        '() => { try { a(); } catch (error) { return error; } const a = () => require("node:os"); }',
      ),
    ).toEqual([]);
  });
});
