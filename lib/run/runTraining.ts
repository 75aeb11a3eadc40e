/**
 * Executes a resolved run on its workers: places their data in shared memory, gives each rank its
 * job, and assembles the result.
 */
import {join} from 'node:path';
import {withCode} from '../base/errors';
import {emitRun} from '../base/events';
import {placeArrays, type PlacedData} from '../job/placeData';
import {isModule} from '../job/readData';
import type {
  InProcessJob,
  ParallelContext,
  TrainAsk,
  TrainDone,
  TrainJob,
  TrainTell,
} from '../job/protocol';
import {readStates} from '../model/layerState';
import {modelBytes} from '../model/weights';
import {channelBytes, pipelineOf} from '../placement/resolvePipeline';
import {WorkerGroup, type GroupHandlers} from '../workers/group';
import {createRegion, type SharedRegion} from '../workers/sharedRegion';
import {guardModel} from './guard';
import {stopOnInterrupt, type Interrupt} from './interrupt';
import {ProcessGroups} from './processGroups';
import {showRuns} from './progress/showRuns';
import {writeRecord} from './record';
import type {ResolvedData, ResolvedRun} from './resolveRun';
import {makeResult, summaries, type TrainResult} from './result';
import type {Straggler} from './timing';
import {TrainRun} from './trainRun';

const WORKER = join(__dirname, '..', 'rank', 'worker.js');

/** Copies data into shared memory. */
function place(data: ResolvedData, what: string, regions: SharedRegion[]): PlacedData {
  if (isModule(data)) return {module: data};
  const {placed, region} = placeArrays(data, what);
  regions.push(region);
  return placed;
}

/** Creates the process groups that the ranks join, and the context that all ranks get. */
function makeParallel({plan, room, options, graph, transport}: ResolvedRun): {
  groups: ProcessGroups | null;
  parallel: ParallelContext | null;
} {
  if (plan.mesh.size === 1) return {groups: null, parallel: null};
  const pipeline = pipelineOf(graph, plan);
  const groups =
    transport === 'processes'
      ? new ProcessGroups(
          plan.mesh,
          options.timeoutMs,
          pipeline ? channelBytes(pipeline, room, plan, options.batchSize) : undefined,
        )
      : null;
  const {layout, sequenceParallel = false} = plan;
  const parallel = {
    mesh: {...plan.mesh},
    bucketBytes: options.bucketBytes,
    zero: plan.zero,
    pipeline,
    tensor: layout ? {rules: layout, sequence: sequenceParallel} : null,
    groups: groups?.handles ?? null,
  };
  return {groups, parallel};
}

function makeJobs(
  {graph, data, validation, sampleWeight, options, plan, devices}: ResolvedRun,
  parallel: ParallelContext | null,
  run: TrainRun,
  regions: SharedRegion[],
): TrainJob[] {
  const placedData = place(data, 'data', regions);
  const placedValidation = validation && place(validation, 'validationData', regions);
  const {description} = run.model;
  const weights = createRegion(modelBytes(description, description.optimizerState));
  regions.push(weights);
  try {
    run.model.write(weights.buffer);
  } catch (error) {
    throw withCode(error, 'BAD_MODEL', 'the weights of the model cannot be read');
  }
  const {epochs, batchSize, shuffle, validationSplit, initialEpoch, classWeight, seed} = options;
  const {globalClipNorm, memoryLimit, trace} = options;
  const {microBatches, recompute} = plan;
  return devices.map(({rank}) => ({
    rank,
    parallel,
    model: description,
    weights: rank === 0 ? weights.handle : null,
    data: placedData,
    validation: placedValidation,
    sampleWeight,
    layerStates: readStates(graph.calls.map(({layer}) => layer)),
    options: {
      ...{epochs, batchSize, shuffle, validationSplit, initialEpoch, classWeight, seed},
      ...{globalClipNorm, memoryLimit, trace, microBatches, recompute},
    },
    callbacks: run.callbacks.waits,
    requests: run.callbacks.waits.length > 0 ? (run.model.requests?.handle ?? null) : null,
  }));
}

async function runOn(
  workers: WorkerGroup,
  run: TrainRun,
  jobs: TrainJob[],
  groups: ProcessGroups | null,
  {options, transport}: ResolvedRun,
  interrupt: Interrupt,
): Promise<TrainDone[]> {
  const {silenceTimeoutMs, timeoutMs} = options;
  const handlers: GroupHandlers = {
    signal: interrupt.signal,
    force: interrupt.force,
    timeoutMs: silenceTimeoutMs,
    abort: (reason) => groups?.abort(reason),
    describe: (rank) => groups?.lastCall(rank) ?? null,
    onTell: (_, value) => run.hear(value as TrainTell),
    onAsk: (_, value) => run.answer(value as TrainAsk),
    onOutput: (rank, stream, text) => emitRun({type: 'output', run: run.id, rank, stream, text}),
  };
  const inProcess: InProcessJob = {jobs, timeoutMs};
  const done = (
    transport === 'inProcess'
      ? ((await workers.run('trainInProcess', [inProcess], handlers)) as [TrainDone[]])[0]
      : await workers.run('train', jobs, handlers)
  ) as TrainDone[];
  run.model.take(done[0].model!);
  const unheard = run.model.unheard();
  if (unheard.length > 0)
    emitRun({
      type: 'output',
      run: run.id,
      rank: 0,
      stream: 'stderr',
      text: `warning: ${unheard.join(', ')} changed while no callback ran, and the workers did not hear of it: change it in a callback, such as onBatchEnd.`,
    });
  await run.callbacks.end();
  return done;
}

function stragglerWarning({rank, times}: Straggler): string {
  return `warning: straggler rank ${rank}, ${times.toFixed(1)}×: its work in a step took ${times.toFixed(1)} times as long as that of the other ranks, which waited for it. Check what else runs on its device.`;
}

/**
 * Trains the model of `resolved`. Throws `ManyHandsError`; the model then has the weights that it
 * last received.
 */
export async function runTraining(resolved: ResolvedRun): Promise<TrainResult> {
  const {model, options, devices, transport} = resolved;
  showRuns();
  let run: TrainRun | null = null;
  const release = guardModel(model, {
    isInCallback: () => run?.callbacks.isRunning ?? false,
    hearsStop: () => run?.callbacks.waits.includes('batchEnd') ?? false,
  });
  const regions: SharedRegion[] = [];
  const interrupt = stopOnInterrupt(options.signal);
  let groups: ProcessGroups | null = null;
  try {
    run = new TrainRun(resolved);
    await run.begin();
    const {parallel, ...created} = makeParallel(resolved);
    groups = created.groups;
    const jobs = makeJobs(resolved, parallel, run, regions);
    const workers = await WorkerGroup.take(
      (transport === 'inProcess' ? devices.slice(0, 1) : devices).map(({id, threads}) => ({
        entry: WORKER,
        device: id,
        threads,
      })),
    );
    const started = performance.now();
    let done: TrainDone[];
    try {
      done = await runOn(workers, run, jobs, groups, resolved, interrupt);
    } catch (error) {
      run.end(started, error);
      throw error;
    } finally {
      await workers.release();
    }
    const result = makeResult(run, resolved, done);
    if (result.straggler && options.verbose > 0)
      emitRun({
        type: 'output',
        run: run.id,
        rank: result.straggler.rank,
        stream: 'stderr',
        text: stragglerWarning(result.straggler),
      });
    run.end(started, undefined, summaries(result));
    if (options.record) writeRecord(options.record, result.record);
    return result;
  } finally {
    interrupt.release();
    groups?.close();
    run?.close();
    for (const region of regions) region.close();
    release();
  }
}
