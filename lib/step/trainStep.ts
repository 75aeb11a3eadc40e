/**
 * One training step: forward and backward passes for each micro-batch, gradients
 * weighted by samples, one update.
 */
import * as tf from '@tensorflow/tfjs';
import {ManyHandsError} from '../base/errors';
import {withDraws} from '../base/draws';
import {validationContext, type StepContext} from '../base/stepContext';
import {noteStep, tagMemory} from '../memory';
import {watchUserLayers} from './constantWeights';
import {allFinite, GradientSum} from './gradientSum';
import {freeOldStates, statefulParts} from '../model/layerState';
import {readGraph, type Graph} from '../model/graph';
import {compiledModel} from '../model/tfjsInternals';
import {runHooks, type StepHooks} from './hooks';
import {addSums, Objective, type Sums, type Values} from './objective';
import {predict} from './predict';
import {segmentsOf, type Recompute, type Segment} from '../model/segments';
import type {BatchPart, MicroBatch, RankStrategy, StepHost} from './strategy';
import {updateOneByOne} from './update';
import {discardForward, runForward, type PassContext} from './forwardPass';
import {runBackward} from './backwardPass';

export interface StepperOptions {
  seed: number;
  /** The largest norm of all gradients together; undefined: no limit. */
  globalClipNorm?: number;
  hooks?: StepHooks[];
  /** What is recomputed in the backward pass. @default 'none' */
  recompute?: Recompute;
  /** How several ranks share the step. @default one rank */
  strategy?: RankStrategy | null;
}

/** Trains a compiled model step by step. */
export class Stepper implements StepHost {
  readonly graph: Graph;
  readonly objective: Objective;
  readonly gradients: GradientSum;
  readonly hooks: StepHooks[];
  private readonly pass: PassContext;
  private readonly statefulLayers: tf.layers.Layer[];
  private penalty = 0;

  constructor(
    private readonly model: tf.LayersModel,
    private readonly options: StepperOptions,
  ) {
    this.graph = readGraph(model);
    const {hooks = [], strategy} = options;
    const heldCalls = strategy?.heldCalls?.(this.graph);
    this.statefulLayers = this.graph.calls
      .map(({layer}) => layer)
      .filter((layer) => statefulParts(layer).length > 0);
    this.objective = new Objective(
      model,
      heldCalls ? {...this.graph, calls: heldCalls} : this.graph,
    );
    this.gradients = GradientSum.of(model, heldCalls);
    if (GradientSum.of(model).entries.length === 0) {
      throw new ManyHandsError(
        'BAD_MODEL',
        'the model has no trainable weight: set trainable on a layer before compile().',
      );
    }
    // Penalties come before the strategy, which may move the gradients away.
    this.hooks = [
      ...hooks,
      ...(strategy?.dividesGradients ? [this.penalties()] : []),
      ...(strategy?.hooks ?? []),
    ];
    this.pass = {
      graph: this.graph,
      segments: segmentsOf(this.graph, options.recompute ?? 'none'),
      hooks: this.hooks,
      gradientSum: this.gradients,
      communicatingLayerOf: strategy?.communicatingLayer,
    };
  }

  get segments(): Segment[] {
    return this.pass.segments;
  }

  get seed(): number {
    return this.options.seed;
  }

  get recompute(): Recompute {
    return this.options.recompute ?? 'none';
  }

  /**
   * Takes step number `step` on the micro-batches of one batch and disposes of their tensors.
   * Returns the batch's loss and metrics. Throws NOT_FINITE before the update if the loss is NaN or
   * infinite; the weights then stay as they were.
   */
  async step(step: number, parts: BatchPart[]): Promise<Values> {
    this.penalty = 0;
    this.checkTrainable();
    try {
      noteStep(step);
      await runHooks(this.hooks, 'beforeStep', step, parts.length);
      const {strategy, globalClipNorm} = this.options;
      const dividesBatch = parts.some(({share}) => share < 1);
      const checkUserLayers = dividesBatch ? watchUserLayers(this.graph.calls) : () => {};
      await this.countTargets(parts);
      let sums = await (strategy?.runParts?.(step, parts) ?? this.runParts(step, parts));
      checkUserLayers();
      this.objective.losses.checkCounts();
      await runHooks(this.hooks, 'afterGradients', this.gradients.entries);
      if (strategy) sums = await strategy.sumValues(sums, this.penalty);
      const values = this.objective.finish(sums);
      if (!strategy?.dividesGradients) values[0] += this.objective.regularize(this.gradients);
      if (!Number.isFinite(values[0])) throw await this.notFinite(values[0], step);
      await runHooks(this.hooks, 'beforeUpdate', this.gradients.entries);
      if (strategy?.apply) await strategy.apply(globalClipNorm);
      else {
        if (globalClipNorm !== undefined)
          this.gradients.scaleTo(
            Math.sqrt((await strategy?.squares?.()) ?? this.gradients.squares()),
            globalClipNorm,
          );
        const context = {seed: this.options.seed, layer: 'update', step, firstSample: 0};
        withDraws(context, {place: 0, samples: 0, phase: 'update'}, () => this.update());
      }
      await runHooks(this.hooks, 'afterStep', step);
      return values;
    } finally {
      this.gradients.clear();
      for (const layer of this.statefulLayers) freeOldStates(layer);
    }
  }

  /** Throws BAD_MODEL if a callback has frozen everything, as fit does at its next step. */
  private checkTrainable(): void {
    const compiled = compiledModel(this.model).collectedTrainableWeights ?? [];
    if (compiled.some((weight) => weight.read().trainable)) return;
    throw new ManyHandsError(
      'BAD_MODEL',
      'every weight of the model is frozen, so there is nothing to train: leave at least one layer trainable, or set model.stopTraining = true.',
    );
  }

  /**
   * Counts the whole batch before the first pass over a part of it, for a loss that is a sum over a
   * count.
   */
  private async countTargets(parts: BatchPart[]): Promise<void> {
    const {
      objective: {losses},
      options: {strategy},
    } = this;
    losses.begin(null);
    const isDivided = parts.length > 1 || (strategy?.dividesSamples ?? false);
    if (!losses.needCounts || !isDivided) return;
    let local = new Array<number>(losses.length).fill(0);
    for (const {samples, make} of strategy && !strategy.computesLoss ? [] : parts) {
      if (samples === 0) continue;
      const {ys, weights} = make({xs: false, ys: true});
      local = addSums(local, losses.countsOf(ys));
      tf.dispose([...ys, ...weights.filter((weight) => weight !== null)]);
    }
    losses.begin({local, total: strategy ? await strategy.sumCounts(local) : local});
  }

  private async runParts(step: number, parts: BatchPart[]): Promise<Sums> {
    let sums = this.objective.noSums();
    for (const [index, {samples, firstSample, share, make}] of parts.entries()) {
      await runHooks(this.hooks, 'beforePart', {
        index,
        count: parts.length,
        samples,
        share,
        last: index === parts.length - 1,
      });
      if (samples === 0) {
        await runHooks(this.hooks, 'emptyRank', 'forward', this.graph.calls);
        await runHooks(this.hooks, 'emptyRank', 'backward', this.graph.calls);
        continue;
      }
      sums = addSums(sums, await this.forwardBackward(step, firstSample, make(), share));
    }
    return sums;
  }

  private async forwardBackward(
    step: number,
    firstSample: number,
    batch: MicroBatch,
    share: number,
  ): Promise<Sums> {
    const context = {seed: this.options.seed, layer: '', step, firstSample};
    try {
      return await this.forwardAndBackward(context, batch, share);
    } finally {
      tf.dispose([...batch.xs, ...batch.ys, ...batch.weights.filter((weight) => weight !== null)]);
    }
  }

  private async forwardAndBackward(
    context: StepContext,
    batch: MicroBatch,
    share: number,
  ): Promise<Sums> {
    const forward = await runForward(this.pass, batch.xs, context);
    let result: {sums: Sums; gradients: tf.Tensor[]};
    try {
      await runHooks(this.hooks, 'beforeLoss');
      result = this.objective.withGradient(forward.outputs, batch.ys, batch.weights, share);
      await runHooks(this.hooks, 'afterLoss');
    } catch (error) {
      discardForward(forward);
      throw error;
    }
    tf.dispose(forward.outputs);
    await runBackward(this.pass, forward, result.gradients, context);
    return result.sums;
  }

  /**
   * Adds penalties to a layer's gradient in its backward pass, each rank in proportion to its share
   * of the samples.
   */
  private penalties(): StepHooks {
    const firstCallOf = new Map<tf.layers.Layer, number>();
    for (const call of this.graph.calls)
      if (!firstCallOf.has(call.layer)) firstCallOf.set(call.layer, call.index);
    let share = 1;
    return {
      beforePart: (part) => {
        share = part.share;
      },
      afterBackward: (call) => {
        if (firstCallOf.get(call.layer) !== call.index) return;
        this.penalty += this.objective.regularizeLayer(
          call.layer,
          this.gradients,
          share,
          this.options.strategy?.countsPenalty,
        );
      },
    };
  }

  private update(): void {
    const {entries} = this.gradients;
    updateOneByOne(
      this.model.optimizer,
      entries.map(({variable}) => variable),
      {
        gradient: (i) => (entries[i].variable.trainable ? entries[i].gradient : null),
        done: (i) => tagMemory(entries[i].variable, 'parameters'),
      },
    );
  }

  private async notFinite(loss: number, step: number): Promise<ManyHandsError> {
    const {gradient: heldElsewhere = null, ranks = []} =
      (await this.options.strategy?.nonFinite()) ?? {};
    const nonFiniteGradient = heldElsewhere ?? this.gradients.firstNonFinite()?.name;
    const who = ranks.length > 0 ? ` It came from the share of rank ${ranks.join(', ')}.` : '';
    const where = nonFiniteGradient
      ? ` The first gradient that is not a number is that of '${nonFiniteGradient}'.`
      : '';
    // With a finite loss and a non-finite gradient the step was taken, as in fit.
    const nonFiniteWeight = this.gradients.entries.find(({variable}) => !allFinite(variable));
    const weights = nonFiniteWeight
      ? `. The weight '${nonFiniteWeight.name}' was already NaN or infinite: an earlier step had a finite loss, but not a finite gradient`
      : ' and the weights are those of the step before';
    return new ManyHandsError(
      'NOT_FINITE',
      `the loss of step ${step} is ${loss}, so the step was not taken${weights}.${who}${where} ` +
        'Look for a number in the data that is not finite, lower the learning rate, or set globalClipNorm: 1.',
    );
  }

  /** This rank's contribution to the loss and the metrics of a validation batch. */
  async evaluate(part: BatchPart): Promise<Sums> {
    const {strategy} = this.options;
    await runHooks(this.hooks, 'beforePrediction');
    if (strategy?.evaluate) return strategy.evaluate(part);
    const {communicatingLayer, countsLoss = true} = strategy?.prediction ?? {};
    const batch = part.make();
    const context = validationContext(this.options.seed, part);
    try {
      const outputs = await predict(this.graph, batch.xs, context, this.hooks, communicatingLayer);
      try {
        const sums = this.objective.evaluate(outputs, batch.ys, part.share);
        return countsLoss ? sums : this.objective.noEvaluationSums();
      } finally {
        tf.dispose(outputs);
      }
    } finally {
      tf.dispose([...batch.xs, ...batch.ys]);
    }
  }
}
