/**
 * Runs all ranks in one process, for machines on which processes cannot share memory.
 */
import {ManyHandsError} from '../base/errors';
import type {JobContext} from '../workers/serve';
import type {InProcessJob, TrainDone} from '../job/protocol';
import {initInProcessGroups} from './rankContext';
import {sentState} from './sentState';
import {metered, trainRank} from './trainJob';

/**
 * Serves an `InProcessJob`: all ranks take turns in this process. The memory that each rank reports
 * is the memory of all ranks together.
 */
export async function trainInProcess(message: unknown, context: JobContext): Promise<TrainDone[]> {
  const {jobs, timeoutMs} = message as InProcessJob;
  sentState.close();
  const {ranks, abort} = initInProcessGroups(jobs[0].parallel!, timeoutMs);
  let first: {rank: number; error: unknown} | null = null;
  const results = await metered(jobs[0].options, (meter) =>
    Promise.allSettled(
      jobs.map(async (job, rank) => {
        try {
          return await trainRank(job, context, meter, ranks[rank]);
        } catch (error) {
          first ??= {rank, error};
          abort(`rank ${rank} failed`);
          throw error;
        }
      }),
    ),
  );
  const failed = first as {rank: number; error: unknown} | null;
  if (failed) throw withRank(failed.error, failed.rank, jobs.length);
  return results.map((result) => (result as PromiseFulfilledResult<TrainDone>).value);
}

/** The error with its rank in the message. */
function withRank(error: unknown, rank: number, size: number): unknown {
  if (!(error instanceof ManyHandsError) || error.code === 'ABORTED') return error;
  return new ManyHandsError(error.code, `rank ${rank} of ${size}: ${error.message}`, {
    cause: error,
  });
}
