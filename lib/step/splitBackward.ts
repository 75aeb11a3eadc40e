/**
 * The backward of a tape in two parts: first the gradients of the layer's inputs, later
 * those of its weights. The previous layer can go on after the first part (Qi et al. 2023, "Zero
 * bubble pipeline parallelism", section 2.1: B and W).
 */
import * as tf from '@tensorflow/tfjs';
import {engineInternals, type TapeNode} from '../model/tfjsInternals';
import {addGradient, gradientOf, release, type Tape} from './tape';

/** A gradient of a node that the first part has visited, left for the second. */
interface PendingGradient {
  id: number;
  gradient: () => tf.Tensor;
}

/** What the first part leaves for the second; `finishTape` or `discardPendingTape` ends it. */
export interface PendingTape {
  tape: Tape;
  /** By the node's index in the tape. */
  pending: Map<number, PendingGradient[]>;
  /** Gradients of the outputs of nodes that only the second part visits. */
  gradients: Map<number, tf.Tensor>;
  kept: tf.Tensor[];
}

/** Ids of `sources` and of all tensors that depend on them. */
function dependentsOf(nodes: readonly TapeNode[], sources: Iterable<number>): Set<number> {
  const made = new Set(sources);
  for (const {inputs, outputs} of nodes)
    if (Object.values(inputs).some(({id}) => made.has(id)))
      for (const {id} of outputs) made.add(id);
  return made;
}

/**
 * The gradients of a node by input, and the tensors that were made on the way, which a gradient's
 * closure may read.
 */
function gradientsOf(
  node: TapeNode,
  dys: Array<tf.Tensor | null>,
): {thunks: Record<string, () => tf.Tensor>; made: tf.Tensor[]} {
  const engine = engineInternals();
  engine.startScope('gradients');
  try {
    const thunks = gradientOf(node, dys);
    const made = [...engine.state.activeScope.track];
    for (const tensor of made) tf.keep(tensor);
    return {thunks, made};
  } finally {
    engine.endScope();
  }
}

/**
 * The gradients of those sources of the tape that `sources` names, from the gradients of the
 * outputs (by id; they stay the caller's). Whatever leads only to other sources is left for
 * `finishTape`.
 */
export function backwardSome(
  tape: Tape,
  outputGradients: Map<number, tf.Tensor>,
  sources: ReadonlySet<number>,
): {gradients: Map<number, tf.Tensor>; rest: PendingTape} {
  const {nodes} = tape;
  const dependsOnSources = dependentsOf(nodes, sources);
  const rest: PendingTape = {tape, pending: new Map(), gradients: new Map(), kept: []};
  const gradients = new Map<number, tf.Tensor>();
  const gradientsOfSources = new Map<number, tf.Tensor>();
  tf.tidy(() => {
    // Own handles, because closures may read them after the caller has disposed of its own.
    for (const [id, gradient] of outputGradients) gradients.set(id, tf.clone(gradient));
    for (let i = nodes.length - 1; i >= 0; i--) {
      const node = nodes[i];
      const dys = node.outputs.map(({id}) => gradients.get(id) ?? null);
      if (dys.every((dy) => dy === null)) continue;
      const inputs = Object.entries(node.inputs);
      const laterInputs = inputs.filter(([, {id}]) => !dependsOnSources.has(id));
      if (laterInputs.length === inputs.length) {
        // The node leads only to weights: the second part visits it.
        node.outputs.forEach(
          ({id}, k) => dys[k] && rest.gradients.set(id, tf.keep(tf.clone(dys[k]!))),
        );
        continue;
      }
      const {thunks, made} =
        laterInputs.length > 0 ? gradientsOf(node, dys) : {thunks: gradientOf(node, dys), made: []};
      for (const [name, {id}] of inputs.filter((input) => !laterInputs.includes(input)))
        addGradient(
          gradients,
          id,
          tf.tidy(() => thunks[name]()),
        );
      if (laterInputs.length === 0) continue;
      // The closures of a gradient read dys and the tensors that were made of them.
      for (const dy of dys) if (dy) tf.keep(dy);
      rest.kept.push(...made, ...dys.filter((dy) => dy !== null));
      rest.pending.set(
        i,
        laterInputs.map(([name, {id}]) => ({id, gradient: thunks[name]})),
      );
    }
    for (const id of sources) {
      const gradient = gradients.get(id);
      // A new handle, because kept tensors are freed separately.
      if (gradient) gradientsOfSources.set(id, tf.clone(gradient));
    }
    return [...gradientsOfSources.values()];
  });
  return {gradients: gradientsOfSources, rest};
}

/**
 * The second part: the gradients of the other sources by id, which the caller disposes of. Consumes
 * the tape.
 */
export function finishTape(rest: PendingTape): Map<number, tf.Tensor> {
  const {
    tape: {nodes, sources},
    pending,
  } = rest;
  const gradients = new Map(rest.gradients);
  const gradientsOfSources = new Map<number, tf.Tensor>();
  try {
    tf.tidy(() => {
      for (let i = nodes.length - 1; i >= 0; i--) {
        const pendingGradients = pending.get(i);
        if (pendingGradients) {
          for (const {id, gradient} of pendingGradients)
            addGradient(gradients, id, tf.tidy(gradient));
          continue;
        }
        const dys = nodes[i].outputs.map(({id}) => gradients.get(id) ?? null);
        if (dys.every((dy) => dy === null)) continue;
        const thunks = gradientOf(nodes[i], dys);
        for (const [name, {id}] of Object.entries(nodes[i].inputs))
          addGradient(
            gradients,
            id,
            tf.tidy(() => thunks[name]()),
          );
      }
      for (const id of sources) {
        const gradient = gradients.get(id);
        if (gradient) gradientsOfSources.set(id, tf.clone(gradient));
      }
      return [...gradientsOfSources.values()];
    });
  } finally {
    discardPendingTape(rest);
  }
  return gradientsOfSources;
}

/** Frees what the first part has left. */
export function discardPendingTape({tape, gradients, kept}: PendingTape): void {
  tf.dispose([...gradients.values(), ...kept]);
  release(tape.nodes);
  tape.nodes = [];
}
