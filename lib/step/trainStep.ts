/**
 * One training step: forward and backward for each micro-batch, the gradients averaged
 * by samples, one update.
 */
import * as tf from '@tensorflow/tfjs';
import {ManyHandsError} from '../base/errors';
import {withStepContext, type StepContext} from '../base/stepContext';
import {noteStep, tagMemory} from '../memory';
import {allFinite, GradientSum} from './gradientSum';
import {readGraph, type Graph, type LayerCall} from '../model/graph';
import {runHooks, type StepHooks} from './hooks';
import {Objective, type Values} from './objective';
import {predict} from './predict';
import {segmentsOf, type Recompute, type Segment} from '../model/segments';
import type {RankStrategy} from './strategy';
import {updateInTurn} from './update';
import {discardForward, walkForward, type Walk} from './walk';
import {walkBackward} from './walkBackward';

/**
 * Tensors of one micro-batch; dim 0 counts its samples. `weights`: one number a sample, for each
 * output, or null.
 */
export interface MicroBatch {
  xs: tf.Tensor[];
  ys: tf.Tensor[];
  weights: Array<tf.Tensor | null>;
  samples: number;
}

/**
 * One part of a batch, whose tensors are made when its turn comes, so that the others' take no
 * room.
 */
export interface BatchPart {
  /** 0 where this rank has no share of a micro-batch. */
  samples: number;
  /** The place of its first sample in the whole batch. */
  firstSample: number;
  /** Its samples by those of the whole batch, over all ranks: the weight of its mean. */
  share: number;
  /** Without inputs or targets where a rank needs none. */
  make(need?: {xs: boolean; ys: boolean}): MicroBatch;
}

export interface StepperOptions {
  seed: number;
  /** The largest norm that all gradients together may have; undefined: no limit. */
  globalClipNorm?: number;
  hooks?: StepHooks[];
  /** What is computed again before its backward. @default 'none' */
  recompute?: Recompute;
  /** How several ranks take the step together. @default one rank */
  strategy?: RankStrategy | null;
}

/** Trains a compiled model step by step. */
export class Stepper {
  readonly graph: Graph;
  readonly objective: Objective;
  readonly gradients: GradientSum;
  readonly hooks: StepHooks[];
  private readonly walking: Walk;
  private penalty = 0;

  constructor(
    private readonly model: tf.LayersModel,
    private readonly options: StepperOptions,
  ) {
    this.graph = readGraph(model);
    const {hooks = [], strategy} = options;
    const own = strategy?.ownCalls?.(this.graph);
    this.objective = new Objective(model, own ? {...this.graph, calls: own} : this.graph);
    this.gradients = GradientSum.of(model, own);
    if (GradientSum.of(model).entries.length === 0) {
      throw new ManyHandsError(
        'BAD_MODEL',
        'the model has no trainable weight: set trainable on a layer before compile().',
      );
    }
    // Penalties stand before the strategy, which takes the gradients away.
    this.hooks = [
      ...hooks,
      ...(strategy?.dividesGradients ? [this.penalties()] : []),
      ...(strategy?.hooks ?? []),
    ];
    this.walking = {
      graph: this.graph,
      segments: segmentsOf(this.graph, options.recompute ?? 'none'),
      hooks: this.hooks,
      sum: this.gradients,
      halvesOf: strategy?.communicatingLayer,
    };
  }

  get segments(): Segment[] {
    return this.walking.segments;
  }

  get seed(): number {
    return this.options.seed;
  }

  /** What is computed again before its backward. */
  get recompute(): Recompute {
    return this.options.recompute ?? 'none';
  }

  /**
   * Takes step number `step` on the micro-batches of one batch and disposes of their tensors.
   * Returns the batch's loss and metrics. Throws `NOT_FINITE` before the update where the loss is
   * no number, and leaves the weights as they were.
   */
  async step(step: number, parts: BatchPart[]): Promise<Values> {
    this.penalty = 0;
    try {
      noteStep(step);
      await runHooks(this.hooks, 'beforeStep', step, parts.length);
      const {strategy, globalClipNorm} = this.options;
      let values = await (strategy?.walkParts?.(step, parts) ?? this.walkParts(step, parts));
      await runHooks(this.hooks, 'afterGradients', this.gradients.entries);
      if (strategy) values = await strategy.sumValues(values, this.penalty);
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
        withStepContext({seed: this.options.seed, layer: 'update', step, firstSample: 0}, () =>
          this.update(),
        );
      }
      await runHooks(this.hooks, 'afterStep', step);
      return values;
    } finally {
      this.gradients.clear();
    }
  }

  private async walkParts(step: number, parts: BatchPart[]): Promise<Values> {
    let values: Values = this.objective.names.map(() => 0);
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
      const found = await this.forwardBackward(step, firstSample, make(), share);
      values = found.map((value, i) => values[i] + share * value);
    }
    return values;
  }

  private async forwardBackward(
    step: number,
    firstSample: number,
    batch: MicroBatch,
    share: number,
  ): Promise<Values> {
    const context = {seed: this.options.seed, layer: '', step, firstSample};
    try {
      return await this.walk(context, batch, share);
    } finally {
      tf.dispose([...batch.xs, ...batch.ys, ...batch.weights.filter((weight) => weight !== null)]);
    }
  }

  private async walk(context: StepContext, batch: MicroBatch, share: number): Promise<Values> {
    const forward = await walkForward(this.walking, batch.xs, context);
    let found: {values: Values; gradients: tf.Tensor[]};
    try {
      await runHooks(this.hooks, 'beforeLoss');
      found = this.objective.withGradient(forward.outputs, batch.ys, batch.weights, share);
      await runHooks(this.hooks, 'afterLoss');
    } catch (error) {
      discardForward(forward);
      throw error;
    }
    tf.dispose(forward.outputs);
    await walkBackward(this.walking, forward, found.gradients, context);
    return found.values;
  }

  /**
   * Penalties on weights join a layer's gradient while it is walked, each rank's by its share of
   * the samples.
   */
  private penalties(): StepHooks {
    const first = new Map<tf.layers.Layer, number>();
    for (const call of this.graph.calls)
      if (!first.has(call.layer)) first.set(call.layer, call.index);
    let share = 1;
    return {
      beforePart: (part) => {
        share = part.share;
      },
      afterBackward: (call) => {
        if (first.get(call.layer) !== call.index) return;
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
    updateInTurn(
      this.model.optimizer,
      entries.map(({variable}) => variable),
      {
        gradient: (i) => entries[i].gradient,
        done: (i) => tagMemory(entries[i].variable, 'parameters'),
      },
    );
  }

  private async notFinite(loss: number, step: number): Promise<ManyHandsError> {
    const {gradient: held = null, ranks = []} = (await this.options.strategy?.nonFinite()) ?? {};
    const broken = held ?? this.gradients.firstBroken()?.name;
    const who = ranks.length > 0 ? ` It came from the share of rank ${ranks.join(', ')}.` : '';
    const where = broken ? ` The first gradient that is not a number is that of '${broken}'.` : '';
    // A gradient may be no number where the loss is one: that step was taken, as fit takes it.
    const spoiled = this.gradients.entries.find(({variable}) => !allFinite(variable));
    const weights = spoiled
      ? `. The weight '${spoiled.name}' was no number before it: an earlier step had a loss that was one, and a gradient that was not`
      : ' and the weights are those of the step before';
    return new ManyHandsError(
      'NOT_FINITE',
      `the loss of step ${step} is ${loss}, so the step was not taken${weights}.${who}${where} ` +
        'Look for a number in the data that is not finite, lower the learning rate, or set globalClipNorm: 1.',
    );
  }

  /** Loss and metrics on data that is not trained on. */
  async evaluate(part: BatchPart): Promise<Values> {
    const {strategy} = this.options;
    await runHooks(this.hooks, 'beforePrediction');
    if (strategy?.evaluate) return strategy.evaluate(part);
    const {halves: halvesOf, countsLoss} = strategy?.predicting ?? {
      halves: undefined,
      countsLoss: true,
    };
    const counts = (_: LayerCall, variable: tf.Variable | null) =>
      strategy?.countsPenalty?.(variable).value ?? true;
    const batch = part.make();
    const context = {seed: this.options.seed, layer: '', step: 0, firstSample: 0};
    try {
      const {outputs, penalty} = await predict(this.graph, batch.xs, context, this.hooks, {
        counts,
        halvesOf,
      });
      try {
        const values = this.objective
          .evaluate(outputs, batch.ys)
          .map((value) => (countsLoss ? value : 0));
        return [values[0] + penalty, ...values.slice(1)];
      } finally {
        tf.dispose(outputs);
      }
    } finally {
      tf.dispose([...batch.xs, ...batch.ys]);
    }
  }
}
