import {execFileSync, spawn} from 'node:child_process';
import {once} from 'node:events';
import {join} from 'node:path';
import {createInterface} from 'node:readline';
import {describe, expect, it} from 'vitest';
import {spmd, type SpmdProgram} from '#lib/index.js';
import {cpus} from '../helpers/devices';
import {haveEnded, isAlive} from '../helpers/processes';
import {refusal} from '../helpers/refusal';

const everything = join(__dirname, 'fixtures', 'everything.mjs');
const program = (text: string) =>
  new Function(`return (${text});`)() as SpmdProgram<unknown, unknown>;
const refused = (text: string, ranks: number, timeoutMs = 700) =>
  refusal(spmd(program(text), {devices: cpus(ranks), timeoutMs}));

interface Found {
  cases: number;
  wrong: string[];
  off: unknown[];
}

describe('over shared memory', () => {
  it.each([
    // 300,007 floats are more than a staging area and a channel hold.
    [2, [0, 1, 2, 13, 2048, 2049, 300_007]],
    [3, [0, 1, 13, 2051, 70_001]],
    [5, [0, 3, 101]],
    [8, [0, 7, 64, 1009]],
  ])(
    '%i ranks: every operation, algorithm, type and place gives the right numbers, and the ledger equals its formulas',
    async (ranks, lengths) => {
      const textbook = ['naive', 'ring', 'recursive', 'tree'];
      const found = (await spmd(everything, {
        devices: cpus(ranks),
        args: {lengths, textbook},
      })) as Found[];
      for (const {cases, wrong, off} of found)
        expect({wrong, off, some: cases > 60}).toEqual({wrong: [], off: [], some: true});
    },
  );

  it('a group, and a group of a group, sum among their own', async () => {
    const sums = await spmd(
      program(`async ({rank, comm}) => {
      const half = await comm.group(rank < 2 ? [0, 1] : [3, 2]);
      const array = new Float32Array([rank]);
      await half.allReduce(array);
      const alone = await half.group([half.rank]);
      await alone.allReduce(array);
      return [half.rank, array[0]];
    }`),
      {devices: cpus(4)},
    );
    expect(sums).toEqual([
      [0, 1],
      [1, 1],
      [1, 5],
      [0, 5],
    ]);
  });
});

describe('ranks that disagree', () => {
  it.each<[string, string, RegExp]>([
    [
      'lengths',
      'await comm.allReduce(new Float32Array(3 + rank))',
      /rank 0: allReduce \(sum, algorithm 'shared'\) of 3 float32, call number 0; rank 1: .* of 4 float32/,
    ],
    [
      'types',
      'await comm.allReduce(rank ? new Int32Array(3) : new Float32Array(3))',
      /of 3 float32, .*of 3 int32/,
    ],
    [
      'operations',
      'await (rank ? comm.allGather(new Float32Array(3)) : comm.allReduce(new Float32Array(3)))',
      /allReduce .*; rank 1: allGather/,
    ],
    [
      'order',
      'if (rank) await comm.barrier(); await comm.allReduce(new Float32Array(1)); if (!rank) await comm.barrier()',
      /allReduce .*rank 1: barrier/,
    ],
    ['root', 'await comm.broadcast(new Float32Array(1), {root: rank})', /root 0.*root 1/],
  ])('about %s are told both sides before any number is sent', async (_, body, message) => {
    const error = await refused(`async ({rank, comm}) => { ${body}; }`, 2);
    expect(error.code).toBe('COLLECTIVE_MISMATCH');
    expect(error.message).toMatch(message);
  });
});

describe('a rank that does not come', () => {
  it.each<[string, string, RegExp]>([
    [
      'to a collective',
      "if (rank !== 2) await comm.allReduce(new Float32Array(5), {label: 'gradients'})",
      /allReduce 'gradients' number 0 of 5 float32 for rank 2 \(last seen: no call yet\)/,
    ],
    [
      'to recv',
      'if (rank === 0) await comm.recv(new Float32Array(4), {from: 1})',
      /recv 'recv' from rank 1 number 0 of 4 float32 for rank 1/,
    ],
    [
      'to a send that is longer than the channel',
      'if (rank === 0) await comm.send(new Float32Array(200_000), {to: 1})',
      /send 'send' to rank 1 number 0 of 200,000 float32 for rank 1/,
    ],
    [
      "to a group's barrier",
      "const group = await comm.group([0, 1, 2]); if (rank) await group.barrier({label: 'of three'})",
      /barrier 'of three' number 0 of 0 float32 for rank 0/,
    ],
  ])('%s is named, with the operation', async (_, body, message) => {
    const error = await refused(`async ({rank, comm}) => { ${body}; }`, 3);
    expect(error.code).toBe('TIMEOUT');
    expect(error.message).toMatch(message);
    expect(error.message).toContain('0.7 s');
  });

  it('frees the others of a group with the reason, when it fails', async () => {
    const error = await refused(
      "async ({rank, comm}) => { const group = await comm.group([0, 1]); if (rank) throw new TypeError('no such weight'); await group.barrier(); }",
      2,
      20_000,
    );
    expect(error.message).toMatch(/rank 1 of 2: .*no such weight/);
  });
});

describe.runIf(process.platform === 'linux')('when a process is killed', () => {
  it('its last call is in the flight recorder, and the others leave the collective at once', async () => {
    const start = performance.now();
    const error = await refused(
      "async ({rank, comm}) => { await comm.barrier(); if (rank === 1) { setTimeout(() => process.kill(process.pid, 'SIGKILL'), 100); await new Promise((r) => setTimeout(r, 50)); await new Promise(() => {}); } await comm.allReduce(new Float32Array(9), {label: 'gradients'}); }",
      3,
      25_000,
    );
    expect(performance.now() - start).toBeLessThan(15_000);
    expect(error.code).toBe('WORKER');
    expect(error.message).toMatch(
      /rank 1 of 3: .*SIGKILL.*Its last collective: barrier 'barrier' number 0 of 0 float32, finished\. The other ranks were stopped\./s,
    );
  });

  it('all ranks die with their parent, also while they are blocked in a collective', async () => {
    const code = `const {spmd} = require('#lib/run/spmd.js');
      const stop = new Function('return async ({rank, comm, args}) => { require("node:fs").appendFileSync(args, process.pid + "\\\\n"); if (rank < 2) await comm.barrier(); for (;;); }')();
      const file = require('node:path').join(require('node:fs').mkdtempSync(require('node:os').tmpdir() + '/ranks-'), 'pids');
      console.log(file);
      spmd(stop, {devices: ['cpu', 'cpu', 'cpu'], timeoutMs: 600000, args: file});`;
    const parent = spawn(process.execPath, ['-e', code], {stdio: ['ignore', 'pipe', 'ignore']});
    const [file] = (await once(createInterface({input: parent.stdout}), 'line')) as [string];
    const read = () => {
      try {
        return execFileSync('cat', [file], {encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore']})
          .trim()
          .split('\n')
          .map(Number);
      } catch {
        return [];
      }
    };
    while (read().length < 3) await new Promise((resolve) => setTimeout(resolve, 100));
    const pids = read();
    expect(pids.filter(isAlive)).toEqual(pids);
    parent.kill('SIGKILL');
    expect(await haveEnded(pids)).toBe(true);
  });
});
