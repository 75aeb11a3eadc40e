/**
 * Which layers are computed again before their backward (Chen et al. 2016, "Training
 * deep nets with sublinear memory cost", section 3): their tapes are not kept, only what enters a
 * segment of them.
 */
import {ManyHandsError, shown} from '../base/errors';
import type {Graph, LayerCall} from './graph';

/**
 * 'none'; 'block': every block of several layers; 'stage': all of a pipeline's stage, from its
 * input; or the names of blocks and layers.
 */
export type Recompute = 'none' | 'block' | 'stage' | string[];

/** Calls that stand one after another; `again`: their tapes are made anew before their backward. */
export interface Segment {
  calls: LayerCall[];
  again: boolean;
}

/**
 * Cuts a graph into segments: the calls of one block that `recompute` names are one, every other
 * call is its own. Throws BAD_OPTION.
 */
export function segmentsOf(graph: Graph, recompute: Recompute): Segment[] {
  const sizes = new Map<string, number>();
  for (const {block} of graph.calls) sizes.set(block, (sizes.get(block) ?? 0) + 1);
  const names = Array.isArray(recompute) ? recompute : [];
  const known = new Set([...sizes.keys(), ...graph.calls.map(({name}) => name)]);
  const unknown = names.find((name) => !known.has(name));
  if (unknown !== undefined)
    throw new ManyHandsError(
      'BAD_OPTION',
      `recompute names ${shown(unknown)}, which is neither a block nor a layer of the model. Its blocks are ${[...sizes.keys()].join(', ')}.`,
    );
  const several = [...sizes].filter(([, size]) => size > 1).map(([block]) => block);
  if (recompute === 'block' && several.length === 0) {
    throw new ManyHandsError(
      'BAD_OPTION',
      `recompute: 'block' finds no block of several layers in this model (a block is the layers whose names share what stands before the last '/'): name layers, for example recompute: ['${graph.calls[0].name}'].`,
    );
  }
  const blocks = new Set(recompute === 'block' ? several : names);
  const segments: Segment[] = [];
  for (const call of graph.calls) {
    const last = segments[segments.length - 1];
    if (blocks.has(call.block)) {
      if (last?.again && last.calls[0].block === call.block) last.calls.push(call);
      else segments.push({calls: [call], again: true});
    } else segments.push({calls: [call], again: blocks.has(call.name)});
  }
  return segments;
}
