/**
 * A training run on one worker or on a team: places what it needs in shared memory,
 * gives each rank its job, and puts the result together. `train` and `trainParallel` are two doors
 * to it.
 */
import {join} from 'node:path';
import * as tf from '@tensorflow/tfjs';
import type {Data} from '../base/arrays';
import {ManyHandsError} from '../base/errors';
import {emitRun, type DeviceUse} from '../base/events';
import {Mesh} from '../mesh/mesh';
import {describeModel} from '../model/describe';
import type {ModelDescription} from '../model/description';
import {modelBytes, writeModel} from '../model/weights';
import {readGraph} from '../model/graph';
import {segmentsOf} from '../model/segments';
import {isTraining, setTraining} from '../model/tfjsInternals';
import {WorkerGroup, type GroupHandlers} from '../workers/group';
import {createRegion, type SharedRegion} from '../workers/sharedRegion';
import {checkData, type CheckedData} from '../job/checkData';
import {ProcessGroups} from './processGroups';
import {stopOnInterrupt, type Interrupt} from './interrupt';
import type {
  ParallelContext,
  InProcessJob,
  TrainAsk,
  TrainDone,
  TrainJob,
  TrainTell,
} from '../job/protocol';
import type {CheckedOptions, TrainOptions} from '../config/options';
import {resolvePipeline, resolveTensor, type Cutting} from '../placement/resolveDivision';
import {isModule, placeArrays, readArrays, type PlacedData} from '../job/placeData';
import {writeRecord} from './record';
import {makeResult, summaries, type TrainResult} from './result';
import type {Plan} from '../config/strategy';
import type {Straggler} from './timing';
import {TrainRun} from './trainRun';

export const WORKER = join(__dirname, '..', 'rank', 'worker.js');

/** Bytes of gradients that leave together, where nothing else is asked for. */
export const BUCKET_BYTES = 4 * 2 ** 20;

export interface TrainingSetup {
  checked: CheckedOptions;
  devices: DeviceUse[];
  plan: Plan;
  /** Where a pipeline is to be cut. */
  cutting: Cutting;
  /** What a chart calls it. */
  strategy: string;
  callbacks: TrainOptions['callbacks'];
  signal: AbortSignal | undefined;
  /** Bytes of gradients that leave together. */
  bucketBytes: number;
  /** How long a rank waits for another, in milliseconds. */
  collectiveTimeoutMs: number;
  /** Whether all ranks take turns in one process, where processes cannot share memory. */
  together: boolean;
}

/** Data that is given as arrays, checked against the model. Throws BAD_DATA. */
export function checkArrays(model: tf.LayersModel, data: Data, what: string): CheckedData {
  const {xs, ys} = readArrays(data, what);
  return checkData(model, xs, ys, what);
}

/** Copies such data into shared memory. */
function place(
  model: tf.LayersModel,
  data: Data,
  what: string,
  regions: SharedRegion[],
): PlacedData {
  if (isModule(data)) return {module: data};
  const {placed, region} = placeArrays(checkArrays(model, data, what), what);
  regions.push(region);
  return placed;
}

function numbers(weights: CheckedOptions['sampleWeight']): Float32Array | null {
  if (!weights) return null;
  return Float32Array.from(
    weights instanceof tf.Tensor ? (weights.dataSync() as Float32Array) : weights,
  );
}

function makeJobs(
  model: tf.LayersModel,
  description: ModelDescription,
  data: Data,
  launch: TrainingSetup,
  run: TrainRun,
  team: ParallelContext | null,
  regions: SharedRegion[],
): TrainJob[] {
  const {checked} = launch;
  const placed = place(model, data, 'data', regions);
  const validation = checked.validationData
    ? place(model, checked.validationData, 'validationData', regions)
    : null;
  const weights = createRegion(modelBytes(description, description.optimizerState));
  regions.push(weights);
  writeModel(model, description.weights, description.optimizerState, weights.buffer);
  const {
    epochs,
    batchSize,
    shuffle,
    validationSplit,
    initialEpoch,
    classWeight,
    seed,
    microBatches,
    globalClipNorm,
    recompute,
    memoryLimit,
    trace,
  } = checked;
  return launch.devices.map(({rank}) => ({
    rank,
    parallel: team,
    model: description,
    weights: rank === 0 ? weights.handle : null,
    data: placed,
    validation,
    sampleWeight: numbers(checked.sampleWeight),
    options: {
      epochs,
      batchSize,
      shuffle,
      validationSplit,
      initialEpoch,
      classWeight,
      seed,
      microBatches,
      globalClipNorm,
      recompute,
      memoryLimit,
      trace,
    },
    callbacks: run.callbacks.waits,
  }));
}

async function runOn(
  workers: WorkerGroup,
  run: TrainRun,
  jobs: TrainJob[],
  groups: ProcessGroups | null,
  how: TrainingSetup,
  interrupt: Interrupt,
): Promise<TrainDone[]> {
  const {epochs, initialEpoch, batchSize, verbose, timeoutMs} = run.options;
  await run.callbacks.begin({epochs, initialEpoch, batchSize, verbose});
  const handlers: GroupHandlers = {
    signal: interrupt.signal,
    force: interrupt.force,
    timeoutMs: groups ? 0 : timeoutMs,
    abort: (reason) => groups?.abort(reason),
    describe: (rank) => groups?.lastCall(rank) ?? null,
    onTell: (_, value) => run.hear(value as TrainTell),
    onAsk: (_, value) => run.answer(value as TrainAsk),
    onOutput: (rank, stream, text) => emitRun({type: 'output', run: run.id, rank, stream, text}),
  };
  const together: InProcessJob = {jobs, timeoutMs: how.collectiveTimeoutMs};
  const done = (
    how.together
      ? ((await workers.run('trainInProcess', [together], handlers)) as [TrainDone[]])[0]
      : await workers.run('train', jobs, handlers)
  ) as TrainDone[];
  run.takeState(done[0].model!);
  await run.callbacks.end();
  return done;
}

function lateWords({rank, times}: Straggler): string {
  return `warning: straggler rank ${rank}, ${times.toFixed(1)}×: its part of a step took ${times.toFixed(1)} times as long as the other ranks', which waited for it. Look at what else runs on its device.`;
}

/**
 * Trains `model` as `launch` says. Throws `ManyHandsError`; the model then is as it was when it was
 * last given weights.
 */
export async function runTraining(
  model: tf.LayersModel,
  data: Data,
  how: TrainingSetup,
): Promise<TrainResult> {
  const {checked, devices} = how;
  const description = await describeModel(model, checked.modules);
  // A wrong name is told before a worker starts.
  if (checked.recompute !== 'none') segmentsOf(readGraph(model), checked.recompute);
  const {
    pipeline = null,
    channelBytes,
    ...cut
  } = how.plan.mesh.pipeline > 1
    ? resolvePipeline(model, how.plan, how.cutting, checked.batchSize)
    : {};
  const tensor = how.plan.mesh.tensor > 1 ? resolveTensor(model, how.plan, how.cutting) : null;
  const plan: Plan = {...(tensor ?? how.plan), ...cut};
  if (isTraining(model))
    throw new ManyHandsError(
      'BAD_MODEL',
      'this model is being trained already: await that run first.',
    );
  setTraining(model, true);
  const regions: SharedRegion[] = [];
  const interrupt = stopOnInterrupt(how.signal);
  let groups: ProcessGroups | null = null;
  let run: TrainRun | null = null;
  try {
    run = new TrainRun(
      model,
      description,
      checked,
      devices,
      {name: how.strategy, warning: plan.warning},
      how.callbacks,
    );
    const several = devices.length > 1;
    groups =
      several && !how.together
        ? new ProcessGroups(new Mesh(plan.mesh), how.collectiveTimeoutMs, channelBytes)
        : null;
    const team: ParallelContext | null = several
      ? {
          mesh: {...plan.mesh},
          bucketBytes: how.bucketBytes,
          zero: plan.zero,
          pipeline,
          tensor: tensor && {rules: tensor.layout, sequence: tensor.sequenceParallel ?? false},
          groups: groups?.handles ?? null,
        }
      : null;
    const jobs = makeJobs(model, description, data, how, run, team, regions);
    const workers = await WorkerGroup.take(
      (how.together ? devices.slice(0, 1) : devices).map(({id, threads}) => ({
        entry: WORKER,
        device: id,
        threads,
      })),
    );
    const started = performance.now();
    let done: TrainDone[];
    try {
      done = await runOn(workers, run, jobs, groups, how, interrupt);
    } catch (error) {
      run.end(started, error as Error);
      throw error;
    } finally {
      await workers.release();
    }
    const result = makeResult(run, description, done, plan);
    if (result.straggler && checked.verbose > 0)
      emitRun({
        type: 'output',
        run: run.id,
        rank: result.straggler.rank,
        stream: 'stderr',
        text: lateWords(result.straggler),
      });
    run.end(started, undefined, summaries(result));
    if (checked.record) writeRecord(checked.record, result.record);
    return result;
  } finally {
    interrupt.release();
    groups?.close();
    run?.close();
    for (const region of regions) region.close();
    setTraining(model, false);
  }
}
