/**
 * One rank's training job: rebuilds the model, opens the data, and runs the training loop.
 */
import {startMeter, type MemoryMeter} from '../memory';
import type * as tf from '@tensorflow/tfjs';
import {checkBatches} from '../job/checkBatches';
import {checkData, type CheckedData} from '../job/checkData';
import {checkLosses} from '../job/checkLosses';
import {checkTokens} from '../job/checkTokens';
import {openData, type PlacedData} from '../job/placeData';
import type {JobOptions, TrainDone, TrainJob} from '../job/protocol';
import type {Arrays, DataNames} from '../job/readData';
import {sampleWeights} from '../job/sampleWeights';
import {freedPlaceholder} from '../model/freeStorage';
import {readGraph} from '../model/graph';
import {disposeModel, rebuildModel} from '../model/rebuild';
import {dataNamesOf} from '../model/tfjsInternals';
import type {JobContext} from '../workers/serve';
import {withAdvice} from './limitAdvice';
import {initProcessGroups, type RankContext} from './rankContext';
import {sentState} from './sentState';
import {TrainingLoop} from './trainingLoop';

/** Opens data, calls `use` with it, and closes it, even after an error. */
async function withData<T>(
  placed: PlacedData | null,
  what: string,
  names: DataNames,
  use: (arrays: Arrays | null) => Promise<T>,
): Promise<T> {
  if (placed === null) return use(null);
  const opened = await openData(placed, what, names);
  try {
    return await use(opened);
  } finally {
    opened.close();
  }
}

/** Checks data that this rank has opened itself. The caller has checked all other data. */
function checkOpened(
  {data: placed, validation: placedValidation, options}: TrainJob,
  model: tf.LayersModel,
  data: CheckedData,
  validation: CheckedData | null,
): void {
  if (!('module' in placed) && !(placedValidation && 'module' in placedValidation)) return;
  const graph = readGraph(model);
  checkTokens(graph, data, 'data');
  if (validation) checkTokens(graph, validation, 'validationData');
  checkBatches(graph, data, validation, options);
}

/** Runs one rank's job and then closes `ranks`, which is null for a run on one device. */
export async function trainRank(
  job: TrainJob,
  context: JobContext,
  meter: MemoryMeter,
  ranks: RankContext | null,
): Promise<TrainDone> {
  try {
    const model = await rebuildModel(job.model, true);
    try {
      const names = dataNamesOf(model);
      return await withData(job.data, 'data', names, (arrays) =>
        withData(job.validation, 'validationData', names, async (validationArrays) => {
          const data = checkData(model, arrays!.xs, arrays!.ys, 'data');
          const validation = validationArrays
            ? checkData(model, validationArrays.xs, validationArrays.ys, 'validationData')
            : null;
          checkOpened(job, model, data, validation);
          const {sampleWeight, options} = job;
          const weights = sampleWeights(model, data, options.classWeight, sampleWeight);
          if ('module' in job.data)
            checkLosses(
              model,
              job.model,
              data,
              weights,
              {
                ...options,
                validationSplit: validation ? 0 : options.validationSplit,
                replicas: job.parallel?.mesh.data ?? 1,
              },
              sampleWeight !== null,
            );
          const loop = new TrainingLoop(job, context, model, data, validation, weights, ranks);
          try {
            await loop.run();
            return await loop.finish(meter);
          } finally {
            loop.close();
          }
        }),
      );
    } catch (error) {
      throw withAdvice(error, model, job.options, job.parallel);
    } finally {
      disposeModel(model);
    }
  } finally {
    await ranks?.close();
  }
}

/** Measures the process's memory during `run` and enforces the memory limit. */
export async function metered<T>(
  {memoryLimit}: JobOptions,
  run: (meter: MemoryMeter) => Promise<T>,
): Promise<T> {
  freedPlaceholder();
  const meter = startMeter({limitBytes: memoryLimit});
  try {
    return await run(meter);
  } finally {
    meter.stop();
  }
}

/** Serves one `TrainJob`. */
export async function trainJob(message: unknown, context: JobContext): Promise<TrainDone> {
  const job = message as TrainJob;
  sentState.close();
  return metered(job.options, (meter) =>
    trainRank(job, context, meter, job.parallel && initProcessGroups(job.rank, job.parallel)),
  );
}
