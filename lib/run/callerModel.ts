/**
 * The caller's model during a run: it takes the ranks' state, and finds out what callbacks changed.
 */
import type * as tf from '@tensorflow/tfjs';
import {ManyHandsError, messageOf} from '../base/errors';
import type {ModelState, TrainAnswer, TrainAsk} from '../job/protocol';
import {StateRequests} from '../job/stateRequests';
import {describeProgress} from '../model/describe';
import type {ModelDescription, OptimizerFields} from '../model/description';
import {readStates, stateTensors as layerTensors, writeStates} from '../model/layerState';
import {NO_STATE, type ModelPart} from '../model/modelPart';
import type {LiveModel} from '../model/modelWeights';
import {
  applySettings,
  describeState,
  plainFields,
  scalarFields,
  stateTensors,
  type OptimizerSettings,
} from '../model/optimizerState';
import {compiledModel, innerModel, optimizerFields, type LayerWeight} from '../model/tfjsInternals';
import {modelBytes, readModel, writeModel} from '../model/weights';
import {attachRegion, createRegion, sameRegion, type SharedRegion} from '../workers/sharedRegion';
import {fetchOnTouch} from './lazyState';

/** What the model looked like when the ranks last agreed with it. */
interface Snapshot {
  /** The buffer of each weight; `assign` gives a variable another one. */
  weights: object[];
  trainable: boolean[];
  fields: OptimizerFields;
  scalars: Map<string, object>;
  /** The buffers of the optimizer's lists. */
  state: object[];
}

/** What `compile` made, which a run cannot exchange halfway. */
interface Compiled {
  optimizer: tf.Optimizer;
  lossFunctions: unknown;
  collected: unknown;
}

export class CallerModel {
  private snapshot: Snapshot;
  private readonly inner: tf.LayersModel;
  private readonly compiled: Compiled;
  /** The shared memory in which rank 0 leaves the weights. */
  private received: SharedRegion | null = null;
  /** The shared memory with what a callback changed last. */
  private sent: SharedRegion | null = null;
  /** Why a callback did not get the current weights. */
  private failure: Error | null = null;
  /** The states of stateful layers that the ranks have too. */
  private states: tf.Tensor[];
  readonly requests = StateRequests.create();
  description: ModelDescription;

  constructor(
    model: tf.LayersModel,
    private readonly live: LiveModel,
    description: ModelDescription,
    private readonly layers: readonly tf.layers.Layer[],
    private readonly timeoutMs: number,
  ) {
    this.states = layerTensors(layers);
    this.description = description;
    this.inner = innerModel(model);
    this.compiled = this.compiledNow();
    this.snapshot = this.look();
  }

  private compiledNow(): Compiled {
    const {lossFunctions, collectedTrainableWeights} = compiledModel(this.inner);
    return {optimizer: this.inner.optimizer, lossFunctions, collected: collectedTrainableWeights};
  }

  private get trained(): LayerWeight[] {
    return this.description.trainable.map((index) => this.live.weights[index]);
  }

  private look(): Snapshot {
    const {weights, optimizer} = this.live;
    const state = describeState(optimizer);
    return {
      weights: weights.map((weight) => weight.read().dataId),
      trainable: this.trained.map((weight) => weight.read().trainable),
      fields: plainFields(optimizer),
      scalars: new Map(scalarFields(optimizer).map(([field, {dataId}]) => [field, dataId])),
      state: stateTensors(optimizer, {...state, scalars: []}).map(({dataId}) => dataId),
    };
  }

  /** Describes the model again, after `onTrainBegin`. Throws BAD_MODEL. */
  begin(): void {
    this.check();
    this.description = {...this.description, ...describeProgress(this.live)};
    this.snapshot = this.look();
  }

  /** Copies the ranks' weights into `buffer`, as `writeModel` does. */
  write(buffer: ArrayBuffer): void {
    const {weights, optimizerState} = this.description;
    writeModel(this.live, weights, optimizerState, buffer);
  }

  /**
   * Takes the ranks' state from rank 0's region. Settings that were changed here meanwhile stay, for
   * `changes`. Throws BAD_MODEL.
   */
  take({region, optimizerState, layerStates}: ModelState): void {
    this.checkUntouched();
    const settings = this.changedSettings();
    if (!this.received || !sameRegion(this.received.handle, region)) {
      this.received?.close();
      this.received = attachRegion(region);
      // The name is no longer needed; without it, a killed rank leaves nothing behind.
      this.received.unlink();
    }
    try {
      readModel(this.live, this.description.weights, optimizerState, this.received.buffer);
      // States that a callback has just reset stay reset.
      if (!this.changedStates()) {
        writeStates(this.layers, layerStates);
        this.states = layerTensors(this.layers);
      }
    } catch (error) {
      throw new ManyHandsError(
        'BAD_MODEL',
        `the trained weights could not be given back to the model: ${messageOf(error)}. Do not dispose of a model, or change its layers, during the training.`,
        {cause: error},
      );
    }
    const {weights, state, scalars} = this.look();
    applySettings(this.live.optimizer, settings);
    for (const field of Object.keys(settings.scalars)) scalars.delete(field);
    const {trainable} = this.snapshot;
    this.snapshot = {weights, state, scalars, trainable, fields: optimizerState.fields};
  }

  private changedStates(): boolean {
    return !sameList(this.states, layerTensors(this.layers));
  }

  /** The optimizer's settings that were changed here since the ranks agreed with them. */
  private changedSettings(): OptimizerSettings {
    const {optimizer} = this.live;
    const {fields, scalars} = this.snapshot;
    return {
      fields: Object.fromEntries(
        Object.entries(plainFields(optimizer)).filter(
          ([field, value]) => !Object.is(fields[field], value),
        ),
      ),
      scalars: Object.fromEntries(
        scalarFields(optimizer)
          .filter(([field, {dataId}]) => scalars.get(field) !== dataId)
          .map(([field, scalar]) => [field, scalar.dataSync()[0]]),
      ),
    };
  }

  /** Throws BAD_MODEL if a weight was set while no callback ran: the ranks' value replaces it. */
  private checkUntouched(): void {
    const {weights} = this.live;
    const index = weights.findIndex(
      ({val}, i) => !val.isDisposed && val.dataId !== this.snapshot.weights[i],
    );
    if (index < 0) return;
    throw new ManyHandsError(
      'BAD_MODEL',
      `the weight '${weights[index].originalName}' was set while the model is being trained, and outside of its callbacks: the ranks would not see it. Set weights in a callback, or after the training.`,
    );
  }

  /**
   * Runs `callbacks` with the state that the ranks have: it was sent, or it is fetched when a
   * callback reads it. Returns what they changed. Throws BAD_MODEL.
   */
  async during(
    {model, isStale, optimizer: {iterations, fields}}: TrainAsk,
    callbacks: () => Promise<void>,
  ): Promise<Omit<TrainAnswer, 'stop'>> {
    if (model) this.take(model);
    const settings = this.changedSettings();
    applySettings(this.live.optimizer, {fields, scalars: {}});
    applySettings(this.live.optimizer, {fields: settings.fields, scalars: {}});
    Object.assign(optimizerFields(this.live.optimizer), {iterations_: iterations});
    this.snapshot.fields = fields;
    const end = isStale ? fetchOnTouch(this.live, () => this.fetch()) : () => {};
    try {
      await callbacks();
    } finally {
      end();
    }
    return this.changes();
  }

  private fetch(): void {
    try {
      this.take(this.requests!.fetch(this.timeoutMs));
    } catch (error) {
      this.failure = error as Error;
      throw error;
    }
  }

  /** What callbacks changed since the last `take` or `changes`. Throws BAD_MODEL. */
  private changes(): Omit<TrainAnswer, 'stop'> {
    if (this.failure) throw this.failure;
    this.check();
    const before = this.snapshot;
    const settings = this.changedSettings();
    const now = this.look();
    this.snapshot = now;
    const answer: Omit<TrainAnswer, 'stop'> = {};
    if (!sameList(before.trainable, now.trainable)) answer.trainable = now.trainable;
    if (Object.keys({...settings.fields, ...settings.scalars}).length > 0)
      answer.optimizer = settings;
    if (this.changedStates()) {
      answer.layerStates = readStates(this.layers);
      this.states = layerTensors(this.layers);
    }
    const state = sameList(before.state, now.state) ? null : describeState(this.live.optimizer);
    const weights = [...now.weights.keys()].filter(
      (index) => now.weights[index] !== before.weights[index],
    );
    if (state || weights.length > 0) answer.model = this.place({weights, state});
    return answer;
  }

  /** Settings that were changed after the last callback: the ranks never heard of them. */
  unheard(): string[] {
    const {fields, scalars} = this.changedSettings();
    // `setLearningRate` changes the field and its copy, `c`.
    const names = Object.keys({...fields, ...scalars}).filter((name) => name !== 'c');
    const isFrozenAnew = !sameList(
      this.snapshot.trainable,
      this.trained.map((weight) => weight.read().trainable),
    );
    return [...names.map((name) => `optimizer.${name}`), ...(isFrozenAnew ? ['trainable'] : [])];
  }

  /** Copies a part of the model into shared memory, from where rank 0 takes it. */
  private place(part: ModelPart): TrainAnswer['model'] {
    const state = part.state ?? NO_STATE;
    const weights = part.weights.map((index) => this.description.weights[index]);
    // By now every rank has loaded what was sent before.
    this.sent?.close();
    this.sent = createRegion(modelBytes({weights}, state));
    const live = {...this.live, weights: part.weights.map((index) => this.live.weights[index])};
    writeModel(live, weights, state, this.sent.buffer);
    return {region: this.sent.handle, part};
  }

  private check(): void {
    const disposed = this.live.weights.find(({val}) => val.isDisposed);
    if (disposed)
      throw new ManyHandsError(
        'BAD_MODEL',
        `a callback disposed of the model's weight '${disposed.originalName}' while the model is being trained: dispose of the model after the training.`,
      );
    const tensors = [
      ...scalarFields(this.live.optimizer).map(([, scalar]) => scalar),
      ...stateTensors(this.live.optimizer, describeState(this.live.optimizer)),
    ];
    if (tensors.some(({isDisposed}) => isDisposed))
      throw new ManyHandsError(
        'BAD_MODEL',
        'a callback disposed of the optimizer while the model is being trained: dispose of it after the training.',
      );
    const now = this.compiledNow();
    const {optimizer, lossFunctions, collected} = this.compiled;
    if (now.optimizer !== optimizer)
      throw new ManyHandsError(
        'BAD_MODEL',
        'a callback gave the model another optimizer while it is being trained, and the ranks cannot exchange theirs: change the fields of the optimizer (optimizer.learningRate and others), or end this training and start another one.',
      );
    if (now.lossFunctions !== lossFunctions || now.collected !== collected)
      throw new ManyHandsError(
        'BAD_MODEL',
        'a callback compiled the model again while it is being trained: end this training (model.stopTraining = true), compile, and train again.',
      );
  }

  close(): void {
    this.received?.close();
    this.sent?.close();
    this.requests?.close();
    this.received = null;
    this.sent = null;
  }
}

function sameList(a: readonly unknown[], b: readonly unknown[]): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}
