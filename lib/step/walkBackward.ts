/**
 * Backward through the layers of a model, whole or in two parts, with awaited hooks
 * around each.
 */
import * as tf from '@tensorflow/tfjs';
import {withStepContext, type StepContext} from '../base/stepContext';
import type {LayerCall, Slot} from '../model/graph';
import {runHooks} from './hooks';
import {backward, type Tape} from './tape';
import {backwardFor, discardRest, finishTape, type TapeRest} from './splitBackward';
import {drop, replay, type Deferred, type Forward, type Taped, type Walk} from './walk';

/** The gradients between two layers on the way back, a slot each. */
class SlotGradients {
  private readonly tensors: Array<tf.Tensor | null>;

  constructor({graph}: Walk, outputGradients: tf.Tensor[]) {
    this.tensors = new Array<tf.Tensor | null>(graph.slots).fill(null);
    graph.outputs.forEach((slot, i) => this.add(slot, outputGradients[i]));
  }

  of(slot: Slot): tf.Tensor | null {
    return this.tensors[slot];
  }

  add(slot: Slot, gradient: tf.Tensor): void {
    const before = this.tensors[slot];
    this.tensors[slot] = before === null ? gradient : tf.add(before, gradient);
    if (before !== null) tf.dispose([before, gradient]);
  }

  /** A tensor that feeds one call twice (x + x) has one gradient, already summed on the tape. */
  take(found: Map<number, tf.Tensor>, inputs: Taped['inputs']): void {
    for (const {id, slot} of inputs) {
      const gradient = found.get(id);
      if (gradient) this.add(slot, gradient);
      found.delete(id);
    }
  }

  /** By the id of the tensor that filled each slot. */
  byId(outputs: Taped['outputs']): Map<number, tf.Tensor> {
    return new Map(
      outputs.flatMap(({id, slot}): Array<[number, tf.Tensor]> => {
        const gradient = this.tensors[slot];
        return gradient ? [[id, gradient]] : [];
      }),
    );
  }

  /** The wanted input's, which stays; the rest is freed. */
  end(wanted: Slot | null | undefined): tf.Tensor | null {
    const found = wanted === null || wanted === undefined ? null : this.tensors[wanted];
    if (found) this.tensors[wanted!] = null;
    this.freeAll();
    return found;
  }

  free(slot: Slot): void {
    this.tensors[slot]?.dispose();
    this.tensors[slot] = null;
  }

  freeAll(): void {
    this.tensors.forEach((_, slot) => this.free(slot));
  }
}

/** Gradients by tensor id, as a tape gives them, of a layer in halves. */
async function halfBackward(
  {back, call, inputs: wanting, outputs}: Taped,
  gradients: SlotGradients,
): Promise<Map<number, tf.Tensor>> {
  if (!('backward' in back)) return new Map();
  const {inputs, weights} = await back.backward(outputs.map(({slot}) => gradients.of(slot)));
  call.inputs.forEach((slot, i) => {
    const own = inputs[i];
    if (!own) return;
    const wanted = wanting.find((input) => input.slot === slot);
    const before = wanted && weights.get(wanted.id);
    if (wanted) weights.set(wanted.id, before ? tf.add(before, own) : own);
    if (before || !wanted) own.dispose();
    before?.dispose();
  });
  return weights;
}

async function backwardOne(
  {hooks, sum}: Walk,
  piece: Taped,
  gradients: SlotGradients,
  context: StepContext,
): Promise<void> {
  const {call, back, inputs, outputs} = piece;
  const found =
    'backward' in back
      ? await halfBackward(piece, gradients)
      : withStepContext({...context, layer: call.name}, () =>
          backward(back, gradients.byId(outputs)),
        );
  for (const {slot} of outputs) gradients.free(slot);
  gradients.take(found, inputs);
  sum.add(call.layer, found);
  await runHooks(hooks, 'afterBackward', call, sum.of(call.layer));
}

/**
 * Walks the pieces of a forward from the last to the first; segments are computed again on the way.
 * What is left after an error is freed.
 */
async function eachPiece(
  walk: Walk,
  forward: Forward,
  context: StepContext,
  visit: (piece: Taped) => Promise<void>,
): Promise<void> {
  let left: Array<Taped | Deferred> = [...forward.pieces];
  try {
    while (left.length > 0) {
      const piece = left[left.length - 1];
      if ('segment' in piece) {
        left = left.slice(0, -1);
        left.push(...(await replay(walk, piece, context)));
        continue;
      }
      await runHooks(walk.hooks, 'beforeBackward', piece.call);
      left.pop();
      await visit(piece);
    }
  } catch (error) {
    left.forEach(drop);
    throw error;
  }
}

/**
 * Walks the layers in reverse from the gradients of the model's outputs (one a model output,
 * consumed here) and adds each weight's gradient to the walk's sum. Returns the gradient of the
 * walk's wanted input, the caller's to dispose; null where none is wanted or reached.
 */
export async function walkBackward(
  walk: Walk,
  forward: Forward,
  outputGradients: tf.Tensor[],
  context: StepContext,
): Promise<tf.Tensor | null> {
  const gradients = new SlotGradients(walk, outputGradients);
  try {
    await eachPiece(walk, forward, context, (piece) =>
      backwardOne(walk, piece, gradients, context),
    );
    return gradients.end(walk.wanted);
  } catch (error) {
    gradients.freeAll();
    throw error;
  }
}

/**
 * What a backward for the input leaves to be done for the weights, layer by layer, the last first.
 */
export type Later = Array<{call: LayerCall; rest: TapeRest}>;

function backwardInputOf(
  {call, back, inputs, outputs}: Taped,
  gradients: SlotGradients,
  later: Later,
  context: StepContext,
): void {
  const {found, rest} = withStepContext({...context, layer: call.name}, () =>
    backwardFor(back as Tape, gradients.byId(outputs), new Set(inputs.map(({id}) => id))),
  );
  for (const {slot} of outputs) gradients.free(slot);
  gradients.take(found, inputs);
  later.push({call, rest});
}

/**
 * The first part of a backward: as `walkBackward`, but the weights' gradients are left for
 * `walkWeights`.
 */
export async function walkBackwardInput(
  walk: Walk,
  forward: Forward,
  outputGradients: tf.Tensor[],
  context: StepContext,
): Promise<{input: tf.Tensor | null; later: Later}> {
  const gradients = new SlotGradients(walk, outputGradients);
  const later: Later = [];
  try {
    await eachPiece(walk, forward, context, async (piece) => {
      // A layer that talks in its middle does so for all of it at once.
      if ('backward' in piece.back) await backwardOne(walk, piece, gradients, context);
      else backwardInputOf(piece, gradients, later, context);
    });
    return {input: gradients.end(walk.wanted), later};
  } catch (error) {
    gradients.freeAll();
    discardLater(later);
    throw error;
  }
}

/** The second part: adds the weights' gradients to the walk's sum. */
export async function walkWeights(
  {hooks, sum}: Walk,
  later: Later,
  context: StepContext,
): Promise<void> {
  try {
    for (let next = later.shift(); next; next = later.shift()) {
      const {call, rest} = next;
      sum.add(
        call.layer,
        withStepContext({...context, layer: call.name}, () => finishTape(rest)),
      );
      await runHooks(hooks, 'afterBackward', call, sum.of(call.layer));
    }
  } finally {
    discardLater(later);
  }
}

/** Frees what a backward for the input has left. */
export function discardLater(later: Later): void {
  for (const {rest} of later.splice(0)) discardRest(rest);
}
