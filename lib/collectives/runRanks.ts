/**
 * Runs a program on ranks inside this process: the same code that `spmd` runs in separate
 * processes, for a lesson or a test.
 */
import {positiveNumber, readOptions, type OptionTable} from '../base/options';
import {createCommunicator} from './communicator';
import {createInProcessGroup, type InProcessGroupOptions} from './inProcess';
import type {Communicator} from './types';

const OPTIONS: OptionTable<Pick<InProcessGroupOptions, 'timeoutMs'>> = {
  'timeoutMs?': positiveNumber('milliseconds'),
};

/**
 * Runs `program` on `size` ranks at once and resolves to the results by rank. When a rank throws,
 * the waits of the others end, and the promise rejects with that error. `timeoutMs` limits a wait,
 * in milliseconds. Throws BAD_OPTION if `size` is not a whole number from 1.
 */
export async function runRanks<T>(
  size: number,
  program: (comm: Communicator) => Promise<T>,
  options: Pick<InProcessGroupOptions, 'timeoutMs'> = {},
): Promise<T[]> {
  const {timeoutMs} = readOptions('runRanks', options, OPTIONS);
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
