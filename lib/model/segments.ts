/**
 * Which layers the backward pass recomputes (Chen et al. 2016, "Training deep nets with
 * sublinear memory cost", section 3). Only the inputs of a segment of such layers are kept, and not
 * their tapes.
 */
import {ManyHandsError, shown} from '../base/errors';
import type {Graph, LayerCall} from './graph';

/**
 * What is recomputed in the backward pass: 'none'; 'block', every block of several layers; 'stage',
 * all layers of a pipeline stage; or the layers and blocks with these names.
 */
export type Recompute = 'none' | 'block' | 'stage' | string[];

/** Consecutive calls; `recompute`: their tapes are made in the backward pass. */
export interface Segment {
  calls: LayerCall[];
  recompute: boolean;
}

/**
 * Divides a graph's calls into segments: one for each block that `recompute` names, and one for
 * each other call. Throws BAD_OPTION for an unknown name, or if 'block' finds no block.
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
  const blocksOfSeveral = [...sizes].filter(([, size]) => size > 1).map(([block]) => block);
  if (recompute === 'block' && blocksOfSeveral.length === 0) {
    throw new ManyHandsError(
      'BAD_OPTION',
      `recompute: 'block' finds no block of several layers in this model (a block is the layers whose names share what stands before the last '/'): name layers, for example recompute: ['${graph.calls[0].name}'].`,
    );
  }
  const blocks = new Set(recompute === 'block' ? blocksOfSeveral : names);
  const segments: Segment[] = [];
  for (const call of graph.calls) {
    const last = segments[segments.length - 1];
    if (blocks.has(call.block)) {
      if (last?.recompute && last.calls[0].block === call.block) last.calls.push(call);
      else segments.push({calls: [call], recompute: true});
    } else segments.push({calls: [call], recompute: blocks.has(call.name)});
  }
  return segments;
}
