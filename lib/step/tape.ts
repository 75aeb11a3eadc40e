/**
 * One tape a layer: records what a layer computes and later runs it backward. tfjs keeps
 * a single tape over a whole model; here each layer has its own, so that hooks can wait, send or
 * free between two layers.
 */
import * as tf from '@tensorflow/tfjs';
import {ManyHandsError} from '../base/errors';
import {engineInternals, type TapeNode} from '../model/tfjsInternals';

/** The operations between `sources` and the outputs, with the tensors that they saved. */
export interface Tape {
  nodes: TapeNode[];
  /** Ids of the tensors and variables whose gradients are wanted. */
  sources: number[];
}

// Kernels whose gradients in tfjs 4.22 (and in lib/devices) read only the shapes of what they save.
// A disposed tensor keeps its shape, so its memory is free for the rest of the forward pass.
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
 * Runs `compute` with a new tape and returns its outputs with the part of the tape that leads from
 * `sources` to them. The caller disposes of the outputs; of everything else that `compute` made,
 * only what the backward needs stays alive.
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
 * As tfjs's getFilteredNodesXToY. Without it the backward reaches an embedding's integer inputs,
 * which have no gradient.
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
 * Runs `tape` backward from the gradients of its outputs (by tensor id) and returns the gradient of
 * each source that it reaches, by id. The caller keeps the tensors of `outputGradients` and
 * disposes of the returned ones. Consumes the tape. Throws BAD_MODEL as `gradientOf` does.
 */
export function backward(
  tape: Tape,
  outputGradients: Map<number, tf.Tensor>,
): Map<number, tf.Tensor> {
  try {
    return traverse(tape, outputGradients);
  } finally {
    discard(tape);
  }
}

/** Frees what a tape holds, without running it. */
export function discard(tape: Tape): void {
  release(tape.nodes);
  tape.nodes = [];
}

function traverse(tape: Tape, outputGradients: Map<number, tf.Tensor>): Map<number, tf.Tensor> {
  const wanted = new Set(tape.sources);
  const gradients = new Map(outputGradients);
  const gradientsOfSources = new Map<number, tf.Tensor>();
  tf.tidy(() => {
    for (let i = tape.nodes.length - 1; i >= 0; i--) {
      const node = tape.nodes[i];
      const dys = node.outputs.map((output) => gradients.get(output.id) ?? null);
      if (dys.every((dy) => dy === null)) continue;
      const inputGradients = gradientOf(node, dys);
      // tidy frees temporaries at the end, as in tfjs: another node may still need a summand.
      for (const [name, input] of Object.entries(node.inputs))
        addGradient(
          gradients,
          input.id,
          tf.tidy(() => inputGradients[name]()),
        );
      for (const output of node.outputs)
        freeIfUnused(output.id, gradients, wanted, outputGradients);
    }
    for (const id of wanted) {
      const gradient = gradients.get(id);
      if (gradient) gradientsOfSources.set(id, gradient);
    }
    return [...gradientsOfSources.values()];
  });
  return gradientsOfSources;
}

/**
 * The gradients of a node's inputs by input name, each computed when its function is called. Throws
 * BAD_MODEL if tfjs has no gradient for the node's kernel.
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
  const existing = gradients.get(id);
  gradients.set(id, existing ? tf.add(existing, gradient) : gradient);
}

/**
 * Frees the gradient of an output whose node is done, so that large gradients do not stay alive to
 * the end of the tape.
 */
function freeIfUnused(
  id: number,
  gradients: Map<number, tf.Tensor>,
  wanted: Set<number>,
  callersGradients: Map<number, tf.Tensor>,
): void {
  const gradient = gradients.get(id);
  if (!gradient || wanted.has(id) || callersGradients.has(id)) return;
  gradients.delete(id);
  for (const other of gradients.values()) if (other === gradient) return;
  gradient.dispose();
}
