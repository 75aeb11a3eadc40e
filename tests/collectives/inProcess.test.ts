import {setFlagsFromString} from 'node:v8';
import {runInNewContext} from 'node:vm';
import {describe, expect, it} from 'vitest';
import {runRanks} from '#lib/collectives/index.js';

/** Bytes of the heap after a garbage collection. */
function heapBytes(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}

describe('ranks in one process', () => {
  it('keep nothing of calls that are over', async () => {
    const CALLS = 20_000;
    const [growth] = await runRanks(2, async (comm) => {
      const calls = async () => {
        for (let call = 0; call < CALLS; call++) await comm.barrier();
      };
      await calls();
      const before = heapBytes();
      await calls();
      return heapBytes() - before;
    });
    // One kept number a call would be 160 kB; a kept description is more than 2 MB.
    expect(growth).toBeLessThan(8 * CALLS);
  });
});
