/**
 * Forward through the layers of a model, one tape a layer, with awaited hooks around
 * each.
 */
import * as tf from '@tensorflow/tfjs';
import type {StepContext} from '../base/stepContext';
import {tagMemory} from '../memory';
import {nonTrainableWeights, remember} from '../model/nonTrainableWeights';
import type {Graph, LayerCall, Slot} from '../model/graph';
import type {GradientSum} from './gradientSum';
import {
  runHooks,
  type SavedForward,
  type CommunicatingContext,
  type CommunicatingLayerOf,
  type StepHooks,
} from './hooks';
import {applyLayer, maskAfter} from './layerCall';
import type {Segment} from '../model/segments';
import {Slots, type Kept} from './slots';
import {discard, record, type Tape} from './tape';

/** What every walk of a model needs. */
export interface Walk {
  graph: Graph;
  segments: Segment[];
  hooks: readonly StepHooks[];
  sum: GradientSum;
  halvesOf?: CommunicatingLayerOf;
  /**
   * The input, if any, whose gradient the backward is to find: what an earlier stage of a pipeline
   * made.
   */
  wanted?: Slot | null;
}

/** What the forward leaves, kept until its backward. */
export interface Forward {
  outputs: tf.Tensor[];
  pieces: Array<Taped | Deferred>;
}

export interface Taped {
  call: LayerCall;
  /** A tape, or the halves of a layer that talks in its middle. */
  back: Tape | SavedForward;
  /** Ids of the input tensors that want a gradient, with the slot that each filled. */
  inputs: Array<{id: number; slot: Slot}>;
  outputs: Array<{id: number; slot: Slot}>;
}

/** A segment without tapes: it is computed again from what entered it. */
export interface Deferred {
  segment: Segment;
  kept: Kept[];
  /**
   * Of its layers in halves, by the place of the call: what they need to go forward again without a
   * word to other ranks.
   */
  halves: Map<number, SavedForward>;
}

export function drop(piece: Taped | Deferred): void {
  if ('segment' in piece)
    tf.dispose(piece.kept.flatMap(({tensor, mask}) => (mask ? [tensor, mask] : [tensor])));
  else if ('backward' in piece.back) piece.back.discard();
  else discard(piece.back);
}

/** What a call is given, and whether a gradient flows back through it. */
function entering({sum}: Walk, call: LayerCall, slots: Slots) {
  const given = call.inputs.map((slot) => slots.tensors[slot]!);
  const inputs = call.inputs
    .map((slot, i) => ({id: given[i].id, slot}))
    .filter(({slot}) => slots.wantGradient[slot]);
  const weights = sum.weightsOf(call.layer);
  return {
    given,
    mask: slots.masks[call.inputs[0]],
    inputs,
    weights,
    wants: inputs.length > 0 || weights.length > 0,
  };
}

function halvesContext(
  walk: Walk,
  call: LayerCall,
  context: StepContext,
  mask: tf.Tensor | null,
): CommunicatingContext {
  return {
    ...context,
    layer: call.name,
    training: true,
    mask,
    taped: (tape) => runHooks(walk.hooks, 'afterTape', call, tape),
  };
}

/**
 * One call forward with its tape. `before`: its halves of the first time, where it is computed
 * again.
 */
async function forwardTaped(
  walk: Walk,
  call: LayerCall,
  slots: Slots,
  context: StepContext,
  before?: SavedForward,
): Promise<Taped> {
  const {given, mask, inputs, weights, wants} = entering(walk, call, slots);
  const halves = walk.halvesOf?.(call);
  let outputs: tf.Tensor[];
  let back: Tape | SavedForward;
  if (halves) {
    const how = halvesContext(walk, call, context, mask);
    back = before ? await before.recompute(given, how) : await halves.forward(call, given, how);
    outputs = back.outputs;
  } else {
    const wanting = given.filter((_, i) => slots.wantGradient[call.inputs[i]]);
    const recorded = record([...wanting, ...weights], () =>
      applyLayer(call, given, mask, context, true),
    );
    back = recorded.tape;
    outputs = recorded.outputs;
  }
  slots.put(call, outputs, maskAfter(call, given, mask), wants);
  if (!halves) await runHooks(walk.hooks, 'afterTape', call, back as Tape);
  return {call, back, inputs, outputs: call.outputs.map((slot, i) => ({id: outputs[i].id, slot}))};
}

/** One call forward of which nothing is kept but, of a layer in halves, what `again` needs. */
async function forwardUntaped(
  walk: Walk,
  call: LayerCall,
  slots: Slots,
  context: StepContext,
): Promise<SavedForward | null> {
  const {given, mask, wants} = entering(walk, call, slots);
  const half =
    (await walk.halvesOf?.(call)?.forward(call, given, {
      ...halvesContext(walk, call, context, mask),
      taped: async () => {},
    })) ?? null;
  half?.discard();
  const outputs = half ? half.outputs : tf.tidy(() => applyLayer(call, given, mask, context, true));
  slots.put(call, outputs, maskAfter(call, given, mask), wants);
  return half;
}

/**
 * Runs the layers on `inputs` (a tensor a model input, each with the micro-batch's samples in dim
 * 0) and keeps a tape a layer, but for segments that are computed again. The outputs are the
 * caller's to dispose; the rest goes to `walkBackward` or `discardForward`.
 */
export async function walkForward(
  walk: Walk,
  inputs: tf.Tensor[],
  context: StepContext,
): Promise<Forward> {
  const slots = Slots.ofInputs(walk.graph, inputs, walk.wanted);
  const pieces: Forward['pieces'] = [];
  try {
    for (const segment of walk.segments) {
      const deferred: Deferred | null = segment.again
        ? {segment, kept: slots.keepFor(segment.calls), halves: new Map()}
        : null;
      if (deferred) pieces.push(deferred);
      for (const call of segment.calls) {
        await runHooks(walk.hooks, 'beforeForward', call);
        if (deferred) {
          const half = await forwardUntaped(walk, call, slots, context);
          if (half) deferred.halves.set(call.index, half);
        } else pieces.push(await forwardTaped(walk, call, slots, context));
        // Batch norm's averages are new tensors now.
        for (const variable of nonTrainableWeights(call.layer)) tagMemory(variable, 'parameters');
        await runHooks(
          walk.hooks,
          'afterForward',
          call,
          call.outputs.map((slot) => slots.tensors[slot]!),
        );
        slots.freeAfter(call);
      }
    }
    return {outputs: slots.takeOutputs(), pieces};
  } catch (error) {
    pieces.forEach(drop);
    slots.freeAll();
    throw error;
  }
}

/** The tapes of a segment, made now. What it kept is consumed. */
export async function replay(
  walk: Walk,
  {segment, kept, halves}: Deferred,
  context: StepContext,
): Promise<Taped[]> {
  const slots = Slots.ofKept(walk.graph, kept);
  const taped: Taped[] = [];
  try {
    for (const call of segment.calls) {
      await runHooks(walk.hooks, 'beforeRecompute', call);
      // A layer moves its averages once a step, and not when it is computed again.
      const putBack = remember(nonTrainableWeights(call.layer));
      try {
        taped.push(await forwardTaped(walk, call, slots, context, halves.get(call.index)));
      } finally {
        putBack();
      }
      slots.freeAfter(call);
    }
    return taped;
  } catch (error) {
    taped.forEach(drop);
    throw error;
  } finally {
    slots.freeAll();
  }
}

/** Frees what a forward holds, when its backward will not come. */
export function discardForward(forward: Forward): void {
  forward.pieces.forEach(drop);
  tf.dispose(forward.outputs);
}
