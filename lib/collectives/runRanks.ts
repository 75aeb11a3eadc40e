/**
 * A program on ranks of this process: the same code that `spmd` runs in processes, for
 * a lesson or a test.
 */
import {createCommunicator} from './communicator';
import {createInProcessGroup} from './inProcess';
import type {Communicator} from './types';

/**
 * Runs `program` as each of `size` ranks at once; resolves to the results by rank. When one throws,
 * the others are freed and its error is thrown.
 */
export async function runRanks<T>(
  size: number,
  program: (comm: Communicator) => Promise<T>,
  {timeoutMs}: {timeoutMs?: number} = {},
): Promise<T[]> {
  const transports = createInProcessGroup(size, {timeoutMs});
  let first: {error: unknown} | null = null;
  const results = await Promise.allSettled(
    transports.map(async (transport, rank) => {
      const comm = createCommunicator(transport);
      try {
        return await program(comm);
      } catch (error) {
        first ??= {error};
        transport.abort(`rank ${rank} failed`);
        throw error;
      } finally {
        comm.close();
      }
    }),
  );
  const failed = first as {error: unknown} | null;
  if (failed) throw failed.error;
  return results.map((result) => (result as PromiseFulfilledResult<T>).value);
}
