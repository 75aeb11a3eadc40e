/**
 * A tape walked backward in two parts: first for what entered the layer, later for its
 * weights, so that the gradient can go on to the layer before while the weights' part waits (Qi et
 * al. 2023, "Zero bubble pipeline parallelism", section 2.1: B and W).
 */
import * as tf from '@tensorflow/tfjs';
import {engineInternals, type TapeNode} from '../model/tfjsInternals';
import {addGradient, gradientOf, release, type Tape} from './tape';

/** A node that was passed, with the gradients that it still owes. */
interface Owing {
  owed: Array<{id: number; gradient: () => tf.Tensor}>;
}

/** What the first part leaves for the second: `finishTape` or `discardRest` ends it. */
export interface TapeRest {
  tape: Tape;
  /** By the place of the node in the tape. */
  owing: Map<number, Owing>;
  /**
   * Gradients of tensors that lead to weights alone, and of the outputs of nodes that owe
   * something.
   */
  gradients: Map<number, tf.Tensor>;
  kept: tf.Tensor[];
}

/** Ids of the tensors that are made of `sources`, these included. */
function madeOf(nodes: readonly TapeNode[], sources: Iterable<number>): Set<number> {
  const made = new Set(sources);
  for (const {inputs, outputs} of nodes)
    if (Object.values(inputs).some(({id}) => made.has(id)))
      for (const {id} of outputs) made.add(id);
  return made;
}

/** The gradients of a node by input, and what was made on the way: a gradient may hold on to it. */
function gradientsOf(
  node: TapeNode,
  dys: Array<tf.Tensor | null>,
): {found: Record<string, () => tf.Tensor>; made: tf.Tensor[]} {
  const engine = engineInternals();
  engine.startScope('gradients');
  try {
    const found = gradientOf(node, dys);
    const made = [...engine.state.activeScope.track];
    for (const tensor of made) tf.keep(tensor);
    return {found, made};
  } finally {
    engine.endScope();
  }
}

/**
 * The gradients of the sources that `now` names, from those of the outputs (by id; they stay the
 * caller's). What leads to the other sources alone is left for `finishTape`.
 */
export function backwardFor(
  tape: Tape,
  outputGradients: Map<number, tf.Tensor>,
  now: ReadonlySet<number>,
): {found: Map<number, tf.Tensor>; rest: TapeRest} {
  const {nodes} = tape;
  const leads = madeOf(nodes, now);
  const rest: TapeRest = {tape, owing: new Map(), gradients: new Map(), kept: []};
  const gradients = new Map<number, tf.Tensor>();
  const found = new Map<number, tf.Tensor>();
  tf.tidy(() => {
    // Handles of our own: what is owed may hold on to them when the caller's are gone.
    for (const [id, gradient] of outputGradients) gradients.set(id, tf.clone(gradient));
    for (let i = nodes.length - 1; i >= 0; i--) {
      const node = nodes[i];
      const dys = node.outputs.map(({id}) => gradients.get(id) ?? null);
      if (dys.every((dy) => dy === null)) continue;
      const inputs = Object.entries(node.inputs);
      const later = inputs.filter(([, {id}]) => !leads.has(id));
      if (later.length === inputs.length) {
        // A way to weights alone: the second part walks it.
        node.outputs.forEach(
          ({id}, k) => dys[k] && rest.gradients.set(id, tf.keep(tf.clone(dys[k]!))),
        );
        continue;
      }
      const {found: thunks, made} =
        later.length > 0 ? gradientsOf(node, dys) : {found: gradientOf(node, dys), made: []};
      for (const [name, {id}] of inputs.filter((input) => !later.includes(input)))
        addGradient(
          gradients,
          id,
          tf.tidy(() => thunks[name]()),
        );
      if (later.length === 0) continue;
      // The closures of a gradient read dys and what they made of them.
      for (const dy of dys) if (dy) tf.keep(dy);
      rest.kept.push(...made, ...dys.filter((dy) => dy !== null));
      rest.owing.set(i, {owed: later.map(([name, {id}]) => ({id, gradient: thunks[name]}))});
    }
    for (const id of now) {
      const gradient = gradients.get(id);
      // What is kept for later has its own end.
      if (gradient) found.set(id, tf.clone(gradient));
    }
    return [...found.values()];
  });
  return {found, rest};
}

/**
 * The second part: the gradients of the other sources, the caller's to dispose. The tape is used
 * up.
 */
export function finishTape(rest: TapeRest): Map<number, tf.Tensor> {
  const {
    tape: {nodes, sources},
    owing,
  } = rest;
  const gradients = new Map(rest.gradients);
  const found = new Map<number, tf.Tensor>();
  try {
    tf.tidy(() => {
      for (let i = nodes.length - 1; i >= 0; i--) {
        const owed = owing.get(i)?.owed;
        if (owed) {
          for (const {id, gradient} of owed) addGradient(gradients, id, tf.tidy(gradient));
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
        if (gradient) found.set(id, tf.clone(gradient));
      }
      return [...found.values()];
    });
  } finally {
    discardRest(rest);
  }
  return found;
}

/** Frees what the first part left. */
export function discardRest({tape, gradients, kept}: TapeRest): void {
  tf.dispose([...gradients.values(), ...kept]);
  release(tape.nodes);
  tape.nodes = [];
}
