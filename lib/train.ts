/**
 * Caller side. `train(model, data, options)`: one device, in a worker process of its own.
 */
import {join} from 'node:path';
import * as tf from '@tensorflow/tfjs';
import type {Data} from './base/arrays';
import {ManyHandsError} from './base/errors';
import {median} from './base/median';
import {emitRun, type DeviceUse} from './base/events';
import {chooseDevices} from './devices/devices';
import {engineInfo} from './devices/engine';
import {describeModel} from './model/describe';
import type {ModelDescription} from './model/description';
import {modelBytes, readModel, writeModel} from './model/weights';
import {CallbackList} from './run/callbacks';
import {checkData} from './run/checkData';
import type {ModelState, TrainAsk, TrainDone, TrainJob, TrainTell} from './run/jobTypes';
import {checkOptions, type CheckedOptions, type TrainOptions} from './run/options';
import {isModule, placeArrays, readArrays, type PlacedData} from './run/placeData';
import {stopOnInterrupt} from './run/interrupt';
import {makeRecord, publicOptions, topologyHash, writeRecord, type MemoryUse, type RunRecord, type TrafficLine} from './run/record';
import type {Span} from './trace/spans';
import {giveBack, takeWorker} from './workers/pool';
import {attachRegion, createRegion, type SharedRegion} from './workers/sharedRegion';
import type {WorkerProcess} from './workers/workerProcess';

/** The strategy object that a run used, and why. */
export interface Plan {
  mesh: {data: number; tensor: number; pipeline: number};
  zero: 0 | 1 | 2 | 3;
  microBatches: number;
  reason: string;
}

export interface TrainResult {
  /** tfjs's own: `history.history.loss` has a number an epoch. */
  history: tf.History;
  plan: Plan;
  trace: {spans: Span[]};
  /** Empty on one device. */
  traffic: TrafficLine[];
  memory: MemoryUse[];
  devices: DeviceUse[];
  /** The median step's wall time in seconds, its input included. */
  stepSeconds: number;
  /** Samples of all steps by the wall time of all steps. */
  samplesPerSecond: number;
  record: RunRecord;
}

const WORKER = join(__dirname, 'run', 'worker.js');
let runs = 0;

/** Checks data that is given as arrays against the model and copies it into shared memory. */
function place(model: tf.LayersModel, data: Data, what: string, regions: SharedRegion[]): PlacedData {
  if (data !== null && typeof data === 'object' && isModule(data)) return {module: data};
  const arrays = readArrays(data, what);
  const {placed, region} = placeArrays(checkData(model, arrays.xs, arrays.ys, what), what);
  regions.push(region);
  return placed;
}

function numbers(weights: CheckedOptions['sampleWeight']): Float32Array | null {
  if (!weights) return null;
  return Float32Array.from(weights instanceof tf.Tensor ? (weights.dataSync() as Float32Array) : weights);
}

/** Takes the trained weights over from a worker's region. */
function takeState(model: tf.LayersModel, description: ModelDescription, state: ModelState): void {
  const region = attachRegion(state.region);
  readModel(model, description.weights, state.optimizerState, region.buffer);
  region.close();
}

/** One run: what it learned from its worker so far. */
class TrainRun {
  readonly id = ++runs;
  readonly history = new tf.History();
  readonly steps: Array<{loss: number; seconds: number}> = [];
  readonly callbacks: CallbackList;
  private samples = 0;
  private seconds = 0;
  private begun = false;

  constructor(readonly model: tf.LayersModel, readonly options: CheckedOptions, readonly device: DeviceUse, callbacks: TrainOptions['callbacks']) {
    this.callbacks = new CallbackList(callbacks, model);
    Object.assign(this.history, {epoch: [], history: {}});
    Object.assign(model, {history: this.history});
  }

  hear(tell: TrainTell): void {
    const {epochs, initialEpoch, batchSize, verbose} = this.options;
    if (tell.type === 'begin') {
      const {samples, stepsPerEpoch, metrics} = tell;
      this.begun = true;
      emitRun({type: 'start', run: this.id, devices: [this.device], strategy: 'one device', epochs, initialEpoch, stepsPerEpoch, batchSize, samples, metrics, verbose});
    } else if (tell.type === 'step') {
      const {epoch, step, samples, seconds, logs} = tell;
      this.samples += samples;
      this.seconds += seconds;
      this.steps.push({loss: logs.loss, seconds});
      emitRun({type: 'step', run: this.id, epoch, step, samples, seconds, logs});
    } else {
      const {epoch, logs} = tell;
      this.history.epoch.push(epoch);
      for (const [name, value] of Object.entries(logs)) (this.history.history[name] ??= []).push(value);
      emitRun({type: 'epoch', run: this.id, epoch, logs});
    }
  }

  get samplesPerSecond(): number {
    return this.seconds > 0 ? this.samples / this.seconds : 0;
  }

  end(started: number, error?: Error): void {
    if (!this.begun) return;
    emitRun({type: 'end', run: this.id, seconds: (performance.now() - started) / 1000, samplesPerSecond: this.samplesPerSecond, error});
  }
}

async function runOn(worker: WorkerProcess, run: TrainRun, job: TrainJob, signal: AbortSignal): Promise<TrainDone> {
  const {epochs, initialEpoch, batchSize, verbose, timeoutMs} = run.options;
  await run.callbacks.begin({epochs, initialEpoch, batchSize, verbose});
  const done = (await worker.run('train', job, {
    signal,
    timeoutMs,
    onTell: (value) => run.hear(value as TrainTell),
    onAsk: async (value) => {
      const {callback, index, logs, model} = value as TrainAsk;
      if (model) takeState(run.model, job.model, model);
      return run.callbacks.call(callback, index, logs);
    },
    onOutput: (stream, text) => emitRun({type: 'output', run: run.id, rank: run.device.rank, stream, text}),
  })) as TrainDone;
  takeState(run.model, job.model, done.model);
  await run.callbacks.end();
  return done;
}

function result(run: TrainRun, job: TrainJob, done: TrainDone): TrainResult {
  const {seed, microBatches} = run.options;
  const plan: Plan = {mesh: {data: 1, tensor: 1, pipeline: 1}, zero: 0, microBatches, reason: 'train uses one device, which holds the whole model and sees all the data.'};
  const memory: MemoryUse[] = [{rank: run.device.rank, peakBytes: done.peakBytes, byCategory: null}];
  const {id, name, threads} = run.device;
  const record = makeRecord(
    {device: [{id, name, threads}], seed, model: topologyHash(job.model.topology), options: publicOptions({...run.options}), strategy: plan, steps: run.steps, traffic: [], memory},
    tf,
  );
  return {
    history: run.history,
    plan,
    trace: {spans: done.spans},
    traffic: [],
    memory,
    devices: [run.device],
    // An initialEpoch at or past the last leaves no step.
    stepSeconds: run.steps.length > 0 ? median(run.steps.map((step) => step.seconds)) : 0,
    samplesPerSecond: run.samplesPerSecond,
    record,
  };
}

/**
 * Trains a compiled `model` on `data` ({xs, ys}: tensors or `{values, shape}`, dim 0 counting samples) on one device, in a worker
 * process; afterwards `model` and its optimizer hold what was learned. Options are fit's own and a few more (`TrainOptions`).
 * Throws `ManyHandsError`: BAD_OPTION, BAD_DATA, BAD_MODEL before a worker starts; MEMORY_LIMIT, NOT_FINITE, TIMEOUT, ABORTED, WORKER
 * while it runs, with the model as it was when it was last given weights.
 */
export async function train(model: tf.LayersModel, data: Data, options: TrainOptions = {}): Promise<TrainResult> {
  const checked = checkOptions(options);
  const description = await describeModel(model, checked.modules);
  const [device] = chooseDevices(options.devices);
  const threads = engineInfo().name === 'javascript' ? 1 : device.kind === 'cpu' ? checked.threads ?? device.threads : 0;
  const busy = model as unknown as {isTraining: boolean};
  if (busy.isTraining) throw new ManyHandsError('BAD_MODEL', 'this model is being trained already: await that run first.');
  busy.isTraining = true;
  const regions: SharedRegion[] = [];
  const interrupt = stopOnInterrupt(options.signal);
  try {
    const run = new TrainRun(model, checked, {rank: 0, id: device.id, name: device.name, threads}, options.callbacks);
    const placed = place(model, data, 'data', regions);
    const validation = checked.validationData ? place(model, checked.validationData, 'validationData', regions) : null;
    const weights = createRegion(modelBytes(description, description.optimizerState));
    regions.push(weights);
    writeModel(model, description.weights, description.optimizerState, weights.buffer);
    const {epochs, batchSize, shuffle, validationSplit, initialEpoch, classWeight, seed, microBatches, clipNorm, memoryLimit, trace} = checked;
    const job: TrainJob = {
      rank: 0,
      model: description,
      weights: weights.handle,
      data: placed,
      validation,
      sampleWeight: numbers(checked.sampleWeight),
      options: {epochs, batchSize, shuffle, validationSplit, initialEpoch, classWeight, seed, microBatches, clipNorm, memoryLimit, trace},
      callbacks: run.callbacks.waits,
    };
    const worker = await takeWorker({entry: WORKER, device: device.id, threads});
    const started = performance.now();
    let done: TrainDone;
    try {
      done = await runOn(worker, run, job, interrupt.signal);
    } catch (error) {
      run.end(started, error as Error);
      throw error;
    } finally {
      await giveBack(worker);
    }
    run.end(started);
    const finished = result(run, job, done);
    if (checked.record) writeRecord(checked.record, finished.record);
    return finished;
  } finally {
    interrupt.release();
    for (const region of regions) region.close();
    busy.isTraining = false;
  }
}
