/**
 * The forward pass of one micro-batch: one tape a layer, with awaited hooks around each
 * layer.
 */
import * as tf from '@tensorflow/tfjs';
import type {StepContext} from '../base/stepContext';
import {tagMemory} from '../memory';
import {mayKeepState, saveState, type SavedState} from '../model/layerState';
import type {Graph, LayerCall, Slot} from '../model/graph';
import type {GradientSum} from './gradientSum';
import {
  runHooks,
  type SavedForward,
  type CommunicatingContext,
  type CommunicatingLayerOf,
  type StepHooks,
} from './hooks';
import {applyLayer} from './layerCall';
import {maskAfter} from './masks';
import type {Segment} from '../model/segments';
import {disposeKept, Slots, type KeptInputs} from './slots';
import {discard, record, type Tape} from './tape';

/** What every pass over a model's layers needs. */
export interface PassContext {
  graph: Graph;
  segments: Segment[];
  hooks: readonly StepHooks[];
  gradientSum: GradientSum;
  communicatingLayerOf?: CommunicatingLayerOf;
  /**
   * The input whose gradient the backward pass returns: the output of an earlier pipeline stage.
   */
  wantedInput?: Slot | null;
}

/** What the forward pass keeps for the backward pass. */
export interface ForwardState {
  outputs: tf.Tensor[];
  pieces: Array<TapedCall | DeferredSegment>;
}

export interface TapedCall {
  call: LayerCall;
  /** The tape; for a layer with a collective inside its forward, its saved forward. */
  back: Tape | SavedForward;
  /** The input tensors that need a gradient: their ids, and the slots that they filled. */
  inputs: Array<{id: number; slot: Slot}>;
  outputs: Array<{id: number; slot: Slot}>;
}

/** A segment without tapes: the backward pass recomputes it from its inputs. */
export interface DeferredSegment {
  segment: Segment;
  kept: KeptInputs;
  /**
   * The saved forwards of its layers with a collective inside, by call index: they are recomputed
   * from these.
   */
  savedForwards: Map<number, SavedForward>;
  /** By call index, what a layer kept before its first forward: a recomputation starts from it. */
  states: Map<number, SavedState>;
}

export function discardPiece(piece: TapedCall | DeferredSegment): void {
  if ('segment' in piece) {
    disposeKept(piece.kept);
    for (const state of piece.states.values()) state.discard();
  } else if ('backward' in piece.back) piece.back.discard();
  else discard(piece.back);
}

/** A call's input tensors, and whether a gradient flows back through the call. */
function inputsOf({gradientSum}: PassContext, call: LayerCall, slots: Slots) {
  const tensors = call.inputs.map((slot) => slots.tensors[slot]!);
  const inputs = call.inputs
    .map((slot, i) => ({id: tensors[i].id, slot}))
    .filter(({slot}) => slots.wantGradient[slot]);
  const weights = gradientSum.weightsOf(call.layer);
  return {
    tensors,
    masks: slots.masksFor(call),
    inputs,
    weights,
    wants: inputs.length > 0 || weights.length > 0,
  };
}

function communicatingContext(
  pass: PassContext,
  call: LayerCall,
  context: StepContext,
  mask: tf.Tensor | null,
): CommunicatingContext {
  return {
    ...context,
    layer: call.name,
    training: true,
    mask,
    onTape: (tape) => runHooks(pass.hooks, 'afterTape', call, tape),
  };
}

/** Runs one call with its tape. `saved`: the first forward of a call that is being recomputed. */
async function forwardTaped(
  pass: PassContext,
  call: LayerCall,
  slots: Slots,
  context: StepContext,
  saved?: SavedForward,
): Promise<TapedCall> {
  const {tensors, masks, inputs, weights, wants} = inputsOf(pass, call, slots);
  const communicating = pass.communicatingLayerOf?.(call);
  let outputs: tf.Tensor[];
  let back: Tape | SavedForward;
  if (communicating) {
    const callContext = communicatingContext(pass, call, context, masks.argument);
    back = saved
      ? await saved.recompute(tensors, callContext)
      : await communicating.forward(call, tensors, callContext);
    outputs = back.outputs;
  } else {
    const wantingTensors = tensors.filter((_, i) => slots.wantGradient[call.inputs[i]]);
    const recorded = record([...wantingTensors, ...weights], () =>
      applyLayer(call, tensors, masks.argument, context, true),
    );
    back = recorded.tape;
    outputs = recorded.outputs;
  }
  slots.put(call, outputs, maskAfter(call, tensors, masks), wants);
  if (!communicating) await runHooks(pass.hooks, 'afterTape', call, back as Tape);
  return {call, back, inputs, outputs: call.outputs.map((slot, i) => ({id: outputs[i].id, slot}))};
}

/**
 * Runs one call without a tape; returns what `recompute` needs if the layer has a collective
 * inside.
 */
async function forwardUntaped(
  pass: PassContext,
  call: LayerCall,
  slots: Slots,
  context: StepContext,
): Promise<SavedForward | null> {
  const {tensors, masks, wants} = inputsOf(pass, call, slots);
  const saved =
    (await pass.communicatingLayerOf?.(call)?.forward(call, tensors, {
      ...communicatingContext(pass, call, context, masks.argument),
      onTape: async () => {},
    })) ?? null;
  saved?.discard();
  const outputs = saved
    ? saved.outputs
    : tf.tidy(() => applyLayer(call, tensors, masks.argument, context, true));
  slots.put(call, outputs, maskAfter(call, tensors, masks), wants);
  return saved;
}

/**
 * Runs the layers on `inputs` (one tensor a model input, each with the micro-batch's samples in dim
 * 0) and keeps one tape a layer, except for segments that are recomputed. The caller disposes of
 * the outputs and passes the rest to `runBackward` or `discardForward`.
 */
export async function runForward(
  pass: PassContext,
  inputs: tf.Tensor[],
  context: StepContext,
): Promise<ForwardState> {
  const slots = Slots.ofInputs(pass.graph, inputs, {wantedInput: pass.wantedInput});
  const pieces: ForwardState['pieces'] = [];
  try {
    for (const segment of pass.segments) {
      const deferred: DeferredSegment | null = segment.recompute
        ? {
            segment,
            kept: slots.keepFor(segment.calls),
            savedForwards: new Map(),
            states: new Map(),
          }
        : null;
      if (deferred) pieces.push(deferred);
      for (const call of segment.calls) {
        await runHooks(pass.hooks, 'beforeForward', call);
        if (deferred) {
          if (mayKeepState(call.layer))
            deferred.states.set(
              call.index,
              saveState(call.layer, pass.gradientSum.othersOf(call.layer)),
            );
          const saved = await forwardUntaped(pass, call, slots, context);
          if (saved) deferred.savedForwards.set(call.index, saved);
        } else pieces.push(await forwardTaped(pass, call, slots, context));
        // Batch norm has replaced the tensors of its averages.
        for (const variable of pass.gradientSum.othersOf(call.layer))
          tagMemory(variable, 'parameters');
        await runHooks(
          pass.hooks,
          'afterForward',
          call,
          call.outputs.map((slot) => slots.tensors[slot]!),
        );
        slots.freeAfter(call);
      }
    }
    return {outputs: slots.takeOutputs(), pieces};
  } catch (error) {
    pieces.forEach(discardPiece);
    slots.freeAll();
    throw error;
  }
}

/** Runs a segment again, now with tapes. Consumes what the segment kept. */
export async function recomputeSegment(
  pass: PassContext,
  {segment, kept, savedForwards, states}: DeferredSegment,
  context: StepContext,
): Promise<TapedCall[]> {
  const slots = Slots.ofKept(pass.graph, kept);
  const taped: TapedCall[] = [];
  try {
    for (const call of segment.calls) {
      await runHooks(pass.hooks, 'beforeRecompute', call);
      // The layer begins where it began the first time. What it keeps must not move again.
      const before = states.get(call.index);
      states.delete(call.index);
      const after = before && saveState(call.layer, pass.gradientSum.othersOf(call.layer));
      before?.restore();
      try {
        taped.push(await forwardTaped(pass, call, slots, context, savedForwards.get(call.index)));
      } finally {
        after?.restore();
      }
      slots.freeAfter(call);
    }
    return taped;
  } catch (error) {
    taped.forEach(discardPiece);
    for (const state of states.values()) state.discard();
    throw error;
  } finally {
    slots.freeAll();
  }
}

/** Frees what a forward pass holds, if no backward pass follows. */
export function discardForward(forward: ForwardState): void {
  forward.pieces.forEach(discardPiece);
  tf.dispose(forward.outputs);
}
