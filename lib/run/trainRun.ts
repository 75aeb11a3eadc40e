/**
 * The caller's side of one run: its history, events and callbacks.
 */
import * as tf from '@tensorflow/tfjs';
import {ManyHandsError, messageOf, withCode} from '../base/errors';
import {emitRun, type RankSummary} from '../base/events';
import {readStates, stateTensors, writeStates} from '../model/layerState';
import {readModel} from '../model/weights';
import {attachRegion, sameRegion, type SharedRegion} from '../workers/sharedRegion';
import {CallbackList} from './callbacks';
import type {
  CallbackName,
  Logs,
  ModelState,
  TrainAnswer,
  TrainAsk,
  TrainTell,
} from '../job/protocol';
import type {CheckedOptions} from '../config/checkOptions';
import type {ResolvedRun} from './resolveRun';
import {StepLog} from './stepLog';

let runs = 0;

interface Answer {
  promise: Promise<TrainAnswer>;
  resolve(answer: Promise<TrainAnswer>): void;
}

export class TrainRun {
  readonly id = ++runs;
  readonly history = new tf.History();
  readonly steps = new StepLog();
  readonly callbacks: CallbackList;
  private readonly asked: number[];
  /** By the number of the question; an answer that all ranks have asked for is dropped. */
  private readonly pendingAnswers = new Map<number, Answer>();
  private samples = 0;
  private seconds = 0;
  private begun = false;
  /** The shared memory in which rank 0 leaves the weights. */
  private region: SharedRegion | null = null;

  readonly options: CheckedOptions;
  private readonly model: tf.LayersModel;

  constructor(private readonly resolved: ResolvedRun) {
    const {model, options, devices} = resolved;
    this.model = model;
    this.options = options;
    this.callbacks = new CallbackList(options, model);
    this.asked = devices.map(() => 0);
    Object.assign(this.history, {epoch: [], history: {}});
    Object.assign(model, {history: this.history});
  }

  hear(tell: TrainTell): void {
    const {epochs, initialEpoch, batchSize, verbose} = this.options;
    if (tell.type === 'begin') {
      const {samples, stepsPerEpoch, metrics} = tell;
      this.begun = true;
      emitRun({
        type: 'start',
        run: this.id,
        devices: this.resolved.devices,
        strategy: this.resolved.label,
        epochs,
        initialEpoch,
        stepsPerEpoch,
        batchSize,
        samples,
        metrics,
        verbose,
      });
      const {warning} = this.resolved.plan;
      if (warning && verbose > 0)
        emitRun({
          type: 'output',
          run: this.id,
          rank: 0,
          stream: 'stderr',
          text: `warning: ${warning}`,
        });
    } else if (tell.type === 'step') {
      const {epoch, step, samples, seconds, logs} = tell;
      this.samples += samples;
      this.seconds += seconds;
      this.steps.add(logs.loss, seconds);
      emitRun({type: 'step', run: this.id, epoch, step, samples, seconds, logs});
    } else {
      const {epoch, logs} = tell;
      this.history.epoch.push(epoch);
      for (const [name, value] of Object.entries(logs))
        (this.history.history[name] ??= []).push(value);
      emitRun({type: 'epoch', run: this.id, epoch, logs});
    }
  }

  /** Calls a callback once, when rank 0 asks; every rank waits for it and gets the same answer. */
  async answer({rank, callback, index, logs, model}: TrainAsk): Promise<TrainAnswer> {
    const nth = this.asked[rank]++;
    const answer = this.pendingAnswers.get(nth) ?? promised();
    this.pendingAnswers.set(nth, answer);
    if (this.asked.every((count) => count > nth)) this.pendingAnswers.delete(nth);
    if (rank === 0) answer.resolve(this.call(callback, index, logs, model));
    return answer.promise;
  }

  private async call(
    callback: CallbackName,
    index: number,
    logs: Logs,
    model: ModelState | null,
  ): Promise<TrainAnswer> {
    if (model) this.takeState(model);
    const layers = this.resolved.graph.calls.map(({layer}) => layer);
    const before = stateTensors(layers);
    const answer = await this.callbacks.call(callback, index, logs);
    const changed = stateTensors(layers).some((tensor, i) => tensor !== before[i]);
    return changed ? {...answer, layerStates: readStates(layers)} : answer;
  }

  /** Copies the trained weights from rank 0's region into the model. Throws BAD_MODEL. */
  takeState({region, optimizerState, layerStates}: ModelState): void {
    if (!this.region || !sameRegion(this.region.handle, region)) {
      this.region?.close();
      this.region = attachRegion(region);
      // The name is no longer needed; without it, a killed rank leaves nothing behind.
      this.region.unlink();
    }
    try {
      readModel(this.model, this.resolved.description.weights, optimizerState, this.region.buffer);
      writeStates(
        this.resolved.graph.calls.map(({layer}) => layer),
        layerStates,
      );
    } catch (error) {
      throw new ManyHandsError(
        'BAD_MODEL',
        `the trained weights could not be given back to the model: ${messageOf(error)}. Do not dispose of a model, or change its layers, during the training.`,
        {cause: error},
      );
    }
  }

  close(): void {
    this.region?.close();
    this.region = null;
  }

  get samplesPerSecond(): number {
    return this.seconds > 0 ? this.samples / this.seconds : 0;
  }

  end(started: number, thrown?: unknown, ranks?: RankSummary[]): void {
    if (!this.begun) return;
    const isError = thrown === undefined || thrown instanceof Error;
    const error = isError ? thrown : withCode(thrown, 'ABORTED', 'a callback threw');
    emitRun({
      type: 'end',
      run: this.id,
      seconds: (performance.now() - started) / 1000,
      samplesPerSecond: this.samplesPerSecond,
      error,
      ranks,
    });
  }
}

function promised(): Answer {
  let resolve!: Answer['resolve'];
  const promise = new Promise<TrainAnswer>((resolvePromise) => (resolve = resolvePromise));
  return {promise, resolve};
}
