import {describe, expect, it} from 'vitest';
import {Random} from '#lib/base/random.js';
import {
  ALGORITHMS,
  runRanks,
  type Algorithm,
  type Communicator,
  type StepOperation,
} from '#lib/collectives/index.js';

const LENGTHS = [0, 1, 2, 3, 7, 13, 64, 101];

function numbers(rank: number, length: number): Float32Array {
  const random = new Random(5, `rank ${rank}`);
  return Float32Array.from({length}, () => random.integer(1000));
}

const cases = Object.entries(ALGORITHMS).flatMap(([name, operations]) =>
  Object.keys(operations).map((operation) => [name, operation] as [Algorithm, StepOperation]),
);

async function call(
  comm: Communicator,
  operation: StepOperation,
  array: Float32Array,
  algorithm: Algorithm,
): Promise<void> {
  if (operation === 'allGather') await comm.allGather(array, {algorithm});
  else if (operation === 'broadcast') await comm.broadcast(array, {algorithm});
  else await comm[operation](array, {algorithm});
}

describe.each(cases)("'%s' %s", (algorithm, operation) => {
  const sizes =
    algorithm === 'recursive' && operation !== 'allReduce' ? [1, 2, 4, 8] : [1, 2, 3, 4, 5, 7, 8];
  it.each(sizes)(
    'on %i ranks: the right numbers, and the ledger equals the formula',
    async (size) => {
      for (const length of LENGTHS) {
        const given = Array.from({length: size}, (_, rank) => numbers(rank, length));
        const sum = given[0].map((_, i) => given.reduce((total, array) => total + array[i], 0));
        const start = (rank: number) => Math.floor((rank * length) / size);
        const ranks = await runRanks(size, async (comm) => {
          const array = given[comm.rank].slice();
          await call(comm, operation, array, algorithm);
          return {array, ledger: comm.ledger()};
        });
        ranks.forEach(({array, ledger}, rank) => {
          if (operation === 'allReduce') expect(array).toEqual(sum);
          else if (operation === 'broadcast') expect(array).toEqual(given[0]);
          else if (operation === 'reduce') expect(array).toEqual(rank === 0 ? sum : given[rank]);
          else if (operation === 'reduceScatter')
            expect(array.subarray(start(rank), start(rank + 1))).toEqual(
              sum.subarray(start(rank), start(rank + 1)),
            );
          else
            for (let r = 0; r < size; r++)
              expect(array.subarray(start(r), start(r + 1))).toEqual(
                given[r].subarray(start(r), start(r + 1)),
              );
          const [line] = ledger;
          expect({sent: line.sent, received: line.received}).toEqual({
            sent: line.formula.sent,
            received: line.formula.received,
          });
        });
      }
    },
  );
});

describe('ranks that disagree', () => {
  it('are told both sides', async () => {
    await expect(
      runRanks(2, (comm) => comm.allReduce(new Float32Array(comm.rank + 3))),
    ).rejects.toMatchObject({
      code: 'COLLECTIVE_MISMATCH',
      message: expect.stringMatching(
        /rank 0: allReduce \(sum, algorithm 'recursive'\) of 3 float32, call number 0; rank 1: .* of 4 float32/,
      ),
    });
  });

  it('or do not come, are named after the deadline', async () => {
    await expect(
      runRanks(3, async (comm) => comm.rank === 1 || comm.barrier({label: 'epoch'}), {
        timeoutMs: 50,
      }),
    ).rejects.toMatchObject({
      code: 'TIMEOUT',
      message: expect.stringContaining("in barrier 'epoch' number 0, for rank 1, waited 0.05 s"),
    });
  });
});

describe('other calls', () => {
  it('allToAll gives rank s part s of everyone', async () => {
    const results = await runRanks(3, async (comm) =>
      comm.allToAll(Float32Array.from({length: 7}, (_, i) => 10 * comm.rank + i)),
    );
    expect(results.map((result) => [...result])).toEqual([
      [0, 1, 10, 11, 20, 21],
      [2, 3, 12, 13, 22, 23],
      [4, 5, 6, 14, 15, 16, 24, 25, 26],
    ]);
  });

  it('a group sums among its own ranks', async () => {
    const results = await runRanks(4, async (comm) => {
      const group = await comm.group(comm.rank % 2 ? [1, 3] : [0, 2]);
      const array = new Float32Array([comm.rank]);
      await group.allReduce(array);
      return array[0];
    });
    expect(results).toEqual([2, 4, 2, 4]);
  });
});
