/**
 * Worker side. Forward and backward through the layers of a model, one tape a layer, with awaited hooks around each.
 */
import * as tf from '@tensorflow/tfjs';
import {withStepContext, type StepContext} from '../base/stepContext';
import type {Graph, LayerCall, Slot} from './graph';
import type {GradientSum} from './gradientSum';
import {runHooks, type HalfForward, type HalvesOf, type StepHooks} from './hooks';
import {applyLayer, maskAfter} from './layerCall';
import {backward, discard, record, type Tape} from './tape';

/** The forward's tapes, kept until their backward. */
export interface Forward {
  outputs: tf.Tensor[];
  taped: Taped[];
}

interface Taped {
  call: LayerCall;
  /** A tape, or the halves of a layer that talks in its middle. */
  back: Tape | HalfForward;
  /** Ids of the input tensors that want a gradient, with the slot that each filled. */
  inputs: Array<{id: number; slot: Slot}>;
  outputs: Array<{id: number; slot: Slot}>;
}

function drop({back}: Taped): void {
  if ('backward' in back) back.discard();
  else discard(back);
}

/** What is alive between two layers: a tensor a slot, freed after its last reader. */
class Slots {
  readonly tensors: Array<tf.Tensor | null>;
  readonly masks: Array<tf.Tensor | null>;
  readonly wantGradient: boolean[];
  constructor(private readonly graph: Graph, inputs: tf.Tensor[]) {
    this.tensors = new Array(graph.slots).fill(null);
    this.masks = new Array(graph.slots).fill(null);
    this.wantGradient = new Array(graph.slots).fill(false);
    // A handle of its own for each input, so that every slot is freed alike.
    graph.inputs.forEach((slot, i) => (this.tensors[slot] = tf.clone(inputs[i])));
  }
  freeAfter(call: LayerCall): void {
    for (const slot of [...call.inputs, ...call.outputs]) {
      if (this.graph.lastUse[slot] > call.index || this.graph.outputs.includes(slot)) continue;
      tf.dispose([this.tensors[slot], this.masks[slot]].filter((tensor) => tensor !== null));
      this.tensors[slot] = null;
      this.masks[slot] = null;
    }
  }
  takeOutputs(): tf.Tensor[] {
    const outputs = this.graph.outputs.map((slot) => tf.clone(this.tensors[slot]!));
    this.freeAll();
    return outputs;
  }
  freeAll(): void {
    tf.dispose([...this.tensors, ...this.masks].filter((tensor) => tensor !== null));
    this.tensors.fill(null);
    this.masks.fill(null);
  }
}

/**
 * Runs the layers on `inputs` (a tensor a model input, each with the micro-batch's samples in dim 0) and keeps a tape a layer.
 * The outputs are the caller's to dispose; the tapes go to `walkBackward` or `discardForward`.
 */
export async function walkForward(graph: Graph, inputs: tf.Tensor[], context: StepContext, hooks: readonly StepHooks[], sum: GradientSum, halvesOf?: HalvesOf): Promise<Forward> {
  const slots = new Slots(graph, inputs);
  const taped: Taped[] = [];
  try {
    for (const call of graph.calls) {
      await runHooks(hooks, 'beforeForward', call);
      const given = call.inputs.map((slot) => slots.tensors[slot]!);
      const mask = slots.masks[call.inputs[0]];
      const wanting = call.inputs.map((slot, i) => ({id: given[i].id, slot})).filter(({slot}) => slots.wantGradient[slot]);
      const weights = sum.weightsOf(call.layer);
      const wantingTensors = given.filter((_, i) => slots.wantGradient[call.inputs[i]]);
      const halves = halvesOf?.(call);
      let outputs: tf.Tensor[];
      let back: Tape | HalfForward;
      if (halves) {
        back = await halves.forward(call, given);
        outputs = back.outputs;
      } else {
        const recorded = record([...wantingTensors, ...weights], () => applyLayer(call, given, mask, context, true));
        back = recorded.tape;
        outputs = recorded.outputs;
      }
      const wants = wanting.length > 0 || weights.length > 0;
      const after = maskAfter(call, given, mask);
      call.outputs.forEach((slot, i) => {
        slots.tensors[slot] = outputs[i];
        slots.wantGradient[slot] = wants;
      });
      slots.masks[call.outputs[0]] = after;
      taped.push({call, back, inputs: wanting, outputs: call.outputs.map((slot, i) => ({id: outputs[i].id, slot}))});
      await runHooks(hooks, 'afterForward', call, outputs);
      slots.freeAfter(call);
    }
    return {outputs: slots.takeOutputs(), taped};
  } catch (error) {
    taped.forEach(drop);
    slots.freeAll();
    throw error;
  }
}

/** Frees what a forward holds, when its backward will not come. */
export function discardForward(forward: Forward): void {
  forward.taped.forEach(drop);
  tf.dispose(forward.outputs);
}

/**
 * Walks the layers in reverse from the gradients of the model's outputs (one a model output, consumed here) and adds each weight's
 * gradient to `sum`.
 */
export async function walkBackward(graph: Graph, forward: Forward, outputGradients: tf.Tensor[], context: StepContext, hooks: readonly StepHooks[], sum: GradientSum): Promise<void> {
  const gradients = new Array<tf.Tensor | null>(graph.slots).fill(null);
  const add = (slot: Slot, gradient: tf.Tensor) => {
    const before = gradients[slot];
    if (before === null) {
      gradients[slot] = gradient;
      return;
    }
    gradients[slot] = tf.add(before, gradient);
    tf.dispose([before, gradient]);
  };
  const tapeBackward = (tape: Tape, call: LayerCall) => {
    const given = new Map<number, tf.Tensor>();
    for (const {id, slot} of forward.taped[at].outputs) {
      const gradient = gradients[slot];
      if (gradient) given.set(id, gradient);
    }
    return withStepContext({...context, layer: call.name}, () => backward(tape, given));
  };
  let at = forward.taped.length;
  try {
    graph.outputs.forEach((slot, i) => add(slot, outputGradients[i]));
    while (at > 0) {
      at -= 1;
      const {call, back, inputs, outputs} = forward.taped[at];
      await runHooks(hooks, 'beforeBackward', call);
      const found = 'backward' in back ? await halfBackward(back, call, outputs.map(({slot}) => gradients[slot]), inputs) : tapeBackward(back, call);
      for (const {slot} of outputs) {
        gradients[slot]?.dispose();
        gradients[slot] = null;
      }
      // A tensor that feeds one call twice (x + x) has one gradient, already summed on the tape.
      for (const {id, slot} of inputs) {
        const gradient = found.get(id);
        if (gradient) add(slot, gradient);
        found.delete(id);
      }
      sum.add(call.layer, found);
      await runHooks(hooks, 'afterBackward', call, sum.of(call.layer));
    }
  } catch (error) {
    forward.taped.slice(0, at).forEach(drop);
    throw error;
  } finally {
    for (const gradient of gradients) gradient?.dispose();
  }
}

/** Gradients by tensor id, as a tape gives them, of a layer in halves. */
async function halfBackward(back: HalfForward, call: LayerCall, outputGradients: Array<tf.Tensor | null>, wanting: Taped['inputs']): Promise<Map<number, tf.Tensor>> {
  const {inputs, weights} = await back.backward(outputGradients);
  call.inputs.forEach((slot, i) => {
    const wanted = wanting.find((input) => input.slot === slot);
    if (wanted) weights.set(wanted.id, inputs[i]);
    else inputs[i].dispose();
  });
  return weights;
}

/** Runs the layers without tapes, as at prediction time; the outputs are the caller's to dispose. */
export function predict(graph: Graph, inputs: tf.Tensor[], context: StepContext): tf.Tensor[] {
  const slots = new Slots(graph, inputs);
  try {
    for (const call of graph.calls) {
      const given = call.inputs.map((slot) => slots.tensors[slot]!);
      const mask = slots.masks[call.inputs[0]];
      const outputs = tf.tidy(() => applyLayer(call, given, mask, context, false));
      const after = maskAfter(call, given, mask);
      call.outputs.forEach((slot, i) => (slots.tensors[slot] = outputs[i]));
      slots.masks[call.outputs[0]] = after;
      slots.freeAfter(call);
    }
    return slots.takeOutputs();
  } catch (error) {
    slots.freeAll();
    throw error;
  }
}
