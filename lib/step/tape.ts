/**
 * One tape a layer: records what a layer computes, and walks it backward later. tfjs
 * keeps a single tape open over a whole model; here each layer has its own, so that hooks may wait,
 * send or free between two layers.
 */
import * as tf from '@tensorflow/tfjs';
import {ManyHandsError} from '../base/errors';
import {engineInternals, type TapeNode} from '../model/tfjsInternals';

/**
 * What a backward walk needs: the operations between `sources` and the outputs, with the tensors
 * that they saved.
 */
export interface Tape {
  nodes: TapeNode[];
  /** Ids of the tensors and variables for which gradients were asked. */
  sources: number[];
}

// Kernels whose gradients in tfjs 4.22 (and in lib/devices) look only at the shapes of what they
// save: a tensor keeps its shape after it is disposed of, and its memory is free for the rest of
// the forward.
const SHAPES_SUFFICE = new Set([
  'Add',
  'Sub',
  'Sum',
  'Mean',
  'Reshape',
  'ExpandDims',
  'Concat',
  'Tile',
  'PadV2',
  'Slice',
]);

export interface Recorded {
  outputs: tf.Tensor[];
  tape: Tape;
}

export function release(nodes: Iterable<TapeNode>): void {
  for (const node of nodes) tf.dispose(node.saved);
}

/**
 * Runs `compute` with a fresh tape and returns its outputs with the part of the tape that leads
 * from `sources` to them. The outputs are the caller's to dispose; everything else that `compute`
 * made is gone, but for what the backward walk needs.
 */
export function record(sources: tf.Tensor[], compute: () => tf.Tensor[]): Recorded {
  const {state} = engineInternals();
  const {gradientDepth, activeTape} = state;
  const tape: TapeNode[] = [];
  state.gradientDepth = 1;
  state.activeTape = tape;
  let outputs: tf.Tensor[];
  try {
    outputs = tf.tidy(compute);
  } catch (error) {
    release(tape);
    throw error;
  } finally {
    state.gradientDepth = gradientDepth;
    state.activeTape = activeTape;
  }
  const kept = prune(tape, sources, outputs);
  const keptIds = new Set(kept.map((node) => node.id));
  release(tape.filter((node) => !keptIds.has(node.id) || SHAPES_SUFFICE.has(node.kernelName)));
  return {outputs, tape: {nodes: kept, sources: sources.map((source) => source.id)}};
}

/**
 * As tfjs's getFilteredNodesXToY: without it a walk reaches an embedding's integer inputs, which
 * have no gradient.
 */
function prune(tape: TapeNode[], sources: tf.Tensor[], outputs: tf.Tensor[]): TapeNode[] {
  const fromSource = new Set(sources.map((source) => source.id));
  const reached = new Set<number>();
  for (const node of tape) {
    if (Object.values(node.inputs).some((input) => fromSource.has(input.id))) {
      reached.add(node.id);
      for (const output of node.outputs) fromSource.add(output.id);
    }
  }
  const toOutput = new Set(outputs.map((output) => output.id));
  const kept: TapeNode[] = [];
  for (let i = tape.length - 1; i >= 0; i--) {
    const node = tape[i];
    if (!reached.has(node.id) || !node.outputs.some((output) => toOutput.has(output.id))) continue;
    const inputs: Record<string, tf.Tensor> = {};
    for (const [name, input] of Object.entries(node.inputs)) {
      if (!fromSource.has(input.id)) continue;
      inputs[name] = input;
      toOutput.add(input.id);
    }
    kept.push({...node, inputs});
  }
  return kept.reverse();
}

/**
 * Walks `tape` backward from the gradients of its outputs (by tensor id) and returns the gradient
 * of each source that it reaches, by id. The tensors of `outputGradients` stay the caller's; the
 * returned ones are the caller's to dispose. The tape is used up.
 */
export function backward(
  tape: Tape,
  outputGradients: Map<number, tf.Tensor>,
): Map<number, tf.Tensor> {
  try {
    return walk(tape, outputGradients);
  } finally {
    discard(tape);
  }
}

/** Frees what a tape holds without walking it. */
export function discard(tape: Tape): void {
  release(tape.nodes);
  tape.nodes = [];
}

function walk(tape: Tape, outputGradients: Map<number, tf.Tensor>): Map<number, tf.Tensor> {
  const wanted = new Set(tape.sources);
  const gradients = new Map(outputGradients);
  const found = new Map<number, tf.Tensor>();
  tf.tidy(() => {
    for (let i = tape.nodes.length - 1; i >= 0; i--) {
      const node = tape.nodes[i];
      const dys = node.outputs.map((output) => gradients.get(output.id) ?? null);
      if (dys.every((dy) => dy === null)) continue;
      const inputGradients = gradientOf(node, dys);
      // The engine frees as tfjs does, at the end of the walk; a sum's parts may still be another
      // node's.
      for (const [name, input] of Object.entries(node.inputs))
        addGradient(
          gradients,
          input.id,
          tf.tidy(() => inputGradients[name]()),
        );
      for (const output of node.outputs) free(output.id, gradients, wanted, outputGradients);
    }
    for (const id of wanted) {
      const gradient = gradients.get(id);
      if (gradient) found.set(id, gradient);
    }
    return [...found.values()];
  });
  return found;
}

/**
 * The gradients of a node's inputs by name, each computed when it is called for. Throws BAD_MODEL
 * where tfjs has none.
 */
export function gradientOf(
  node: TapeNode,
  dys: Array<tf.Tensor | null>,
): Record<string, () => tf.Tensor> {
  if (!node.gradient) {
    throw new ManyHandsError(
      'BAD_MODEL',
      `tfjs has no gradient for '${node.kernelName}', which a layer of the model uses: use another layer, or write it with tf.customGrad.`,
    );
  }
  return node.gradient(dys);
}

export function addGradient(
  gradients: Map<number, tf.Tensor>,
  id: number,
  gradient: tf.Tensor,
): void {
  const before = gradients.get(id);
  gradients.set(id, before ? tf.add(before, gradient) : gradient);
}

/**
 * An output's gradient is no longer needed once its node has been walked; big ones are not kept to
 * the end.
 */
function free(
  id: number,
  gradients: Map<number, tf.Tensor>,
  wanted: Set<number>,
  given: Map<number, tf.Tensor>,
): void {
  const gradient = gradients.get(id);
  if (!gradient || wanted.has(id) || given.has(id)) return;
  gradients.delete(id);
  for (const other of gradients.values()) if (other === gradient) return;
  gradient.dispose();
}
