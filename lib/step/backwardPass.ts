/**
 * The backward pass of one micro-batch, whole or split in two (gradients of the input
 * first, of the weights later), with awaited hooks around each layer.
 */
import * as tf from '@tensorflow/tfjs';
import {withDraws} from '../base/draws';
import type {DrawPhase, StepContext} from '../base/stepContext';
import type {LayerCall, Slot} from '../model/graph';
import {runHooks} from './hooks';
import {backward, type Tape} from './tape';
import {backwardSome, discardPendingTape, finishTape, type PendingTape} from './splitBackward';
import {
  discardPiece,
  recomputeSegment,
  type DeferredSegment,
  type ForwardState,
  type TapedCall,
  type PassContext,
} from './forwardPass';

/** The gradients between layers, one a slot. */
class SlotGradients {
  private readonly tensors: Array<tf.Tensor | null>;

  constructor({graph}: PassContext, outputGradients: tf.Tensor[]) {
    this.tensors = new Array<tf.Tensor | null>(graph.slots).fill(null);
    graph.outputs.forEach((slot, i) => this.add(slot, outputGradients[i]));
  }

  of(slot: Slot): tf.Tensor | null {
    return this.tensors[slot];
  }

  add(slot: Slot, gradient: tf.Tensor): void {
    const existing = this.tensors[slot];
    this.tensors[slot] = existing === null ? gradient : tf.add(existing, gradient);
    if (existing !== null) tf.dispose([existing, gradient]);
  }

  /**
   * Takes the inputs' gradients out of `gradientsById`. A tensor that feeds one call twice (x + x)
   * has one gradient, which the tape has already summed.
   */
  take(gradientsById: Map<number, tf.Tensor>, inputs: TapedCall['inputs']): void {
    for (const {id, slot} of inputs) {
      const gradient = gradientsById.get(id);
      if (gradient) this.add(slot, gradient);
      gradientsById.delete(id);
    }
  }

  /** The gradients by the id of the tensor that filled each slot. */
  byId(outputs: TapedCall['outputs']): Map<number, tf.Tensor> {
    return new Map(
      outputs.flatMap(({id, slot}): Array<[number, tf.Tensor]> => {
        const gradient = this.tensors[slot];
        return gradient ? [[id, gradient]] : [];
      }),
    );
  }

  /** Returns the wanted input's gradient and frees the rest. */
  takeInput(wanted: Slot | null | undefined): tf.Tensor | null {
    const gradient = wanted === null || wanted === undefined ? null : this.tensors[wanted];
    if (gradient) this.tensors[wanted!] = null;
    this.freeAll();
    return gradient;
  }

  free(slot: Slot): void {
    this.tensors[slot]?.dispose();
    this.tensors[slot] = null;
  }

  freeAll(): void {
    this.tensors.forEach((_, slot) => this.free(slot));
  }
}

/**
 * The backward of a layer with a collective inside; returns gradients by tensor id, as a tape does.
 */
async function communicatingBackward(
  {back, call, inputs: wantedInputs, outputs}: TapedCall,
  gradients: SlotGradients,
): Promise<Map<number, tf.Tensor>> {
  if (!('backward' in back)) return new Map();
  const {inputs, weights} = await back.backward(outputs.map(({slot}) => gradients.of(slot)));
  call.inputs.forEach((slot, i) => {
    const gradient = inputs[i];
    if (!gradient) return;
    const wanted = wantedInputs.find((input) => input.slot === slot);
    const other = wanted && weights.get(wanted.id);
    if (wanted) weights.set(wanted.id, other ? tf.add(other, gradient) : gradient);
    if (other || !wanted) gradient.dispose();
    other?.dispose();
  });
  return weights;
}

/** Runs a call's gradients, which may draw random numbers of their own. */
function withGradientContext<T>(
  {call, samples}: {call: LayerCall; samples: number},
  phase: DrawPhase,
  context: StepContext,
  run: () => T,
): T {
  return withDraws({...context, layer: call.name}, {place: call.index, samples, phase}, run);
}

/** The number of samples in the gradients of a call's outputs. */
function samplesOf({outputs}: TapedCall, gradients: SlotGradients): number {
  const known = outputs.map(({slot}) => gradients.of(slot)).find((gradient) => gradient !== null);
  return known?.shape[0] ?? 0;
}

async function backwardCall(
  {hooks, gradientSum}: PassContext,
  piece: TapedCall,
  gradients: SlotGradients,
  context: StepContext,
): Promise<void> {
  const {call, back, inputs, outputs} = piece;
  const gradientsById =
    'backward' in back
      ? await communicatingBackward(piece, gradients)
      : withGradientContext({call, samples: samplesOf(piece, gradients)}, 'backward', context, () =>
          backward(back, gradients.byId(outputs)),
        );
  for (const {slot} of outputs) gradients.free(slot);
  gradients.take(gradientsById, inputs);
  gradientSum.add(call.layer, gradientsById);
  await runHooks(hooks, 'afterBackward', call, gradientSum.of(call.layer));
}

/**
 * Visits the pieces of a forward pass from the last to the first, and recomputes segments on the
 * way. Frees the remaining pieces after an error.
 */
async function eachPiece(
  pass: PassContext,
  forward: ForwardState,
  context: StepContext,
  visit: (piece: TapedCall) => Promise<void>,
): Promise<void> {
  let remaining: Array<TapedCall | DeferredSegment> = [...forward.pieces];
  try {
    while (remaining.length > 0) {
      const piece = remaining[remaining.length - 1];
      if ('segment' in piece) {
        remaining = remaining.slice(0, -1);
        remaining.push(...(await recomputeSegment(pass, piece, context)));
        continue;
      }
      await runHooks(pass.hooks, 'beforeBackward', piece.call);
      remaining.pop();
      await visit(piece);
    }
  } catch (error) {
    remaining.forEach(discardPiece);
    throw error;
  }
}

/**
 * Runs the layers in reverse from the gradients of the model's outputs (one a model output,
 * consumed here) and adds each weight's gradient to the pass's sum. Returns the gradient of the
 * wanted input, which the caller disposes of; null if none is wanted or reached.
 */
export async function runBackward(
  pass: PassContext,
  forward: ForwardState,
  outputGradients: tf.Tensor[],
  context: StepContext,
): Promise<tf.Tensor | null> {
  const gradients = new SlotGradients(pass, outputGradients);
  try {
    await eachPiece(pass, forward, context, (piece) =>
      backwardCall(pass, piece, gradients, context),
    );
    return gradients.takeInput(pass.wantedInput);
  } catch (error) {
    gradients.freeAll();
    throw error;
  }
}

/**
 * What `runBackwardInput` leaves for `runBackwardWeights`: one entry a layer, the last layer first.
 */
export type PendingWeights = Array<{call: LayerCall; samples: number; rest: PendingTape}>;

function backwardCallInput(
  piece: TapedCall,
  gradients: SlotGradients,
  pending: PendingWeights,
  context: StepContext,
): void {
  const {call, back, inputs, outputs} = piece;
  const samples = samplesOf(piece, gradients);
  const {gradients: inputGradients, rest} = withGradientContext(
    {call, samples},
    'backward',
    context,
    () => backwardSome(back as Tape, gradients.byId(outputs), new Set(inputs.map(({id}) => id))),
  );
  for (const {slot} of outputs) gradients.free(slot);
  gradients.take(inputGradients, inputs);
  pending.push({call, samples, rest});
}

/**
 * The first part of a split backward pass: like `runBackward`, but leaves the weights' gradients to
 * `runBackwardWeights`.
 */
export async function runBackwardInput(
  pass: PassContext,
  forward: ForwardState,
  outputGradients: tf.Tensor[],
  context: StepContext,
): Promise<{input: tf.Tensor | null; pending: PendingWeights}> {
  const gradients = new SlotGradients(pass, outputGradients);
  const pending: PendingWeights = [];
  try {
    await eachPiece(pass, forward, context, async (piece) => {
      // A layer with a collective inside cannot be split.
      if ('backward' in piece.back) await backwardCall(pass, piece, gradients, context);
      else backwardCallInput(piece, gradients, pending, context);
    });
    return {input: gradients.takeInput(pass.wantedInput), pending};
  } catch (error) {
    gradients.freeAll();
    discardPending(pending);
    throw error;
  }
}

/** The second part: adds the weights' gradients to the pass's sum. */
export async function runBackwardWeights(
  {hooks, gradientSum}: PassContext,
  pending: PendingWeights,
  context: StepContext,
): Promise<void> {
  try {
    for (let next = pending.shift(); next; next = pending.shift()) {
      const {call, rest} = next;
      gradientSum.add(
        call.layer,
        withGradientContext(next, 'weights', context, () => finishTape(rest)),
      );
      await runHooks(hooks, 'afterBackward', call, gradientSum.of(call.layer));
    }
  } finally {
    discardPending(pending);
  }
}

/** Frees what `runBackwardInput` has left. */
export function discardPending(pending: PendingWeights): void {
  for (const {rest} of pending.splice(0)) discardPendingTape(rest);
}
