/**
 * Describes the weights of a rank in lines: by block, with equal blocks and unsharded layers
 * combined.
 */
import type * as tf from '@tensorflow/tfjs';
import type {PlacedShard, WeightPlacement} from '../../placement/placements';
import {readGraph} from '../../model/graph';

/** A line in the box of a rank. */
export interface PlacementLine {
  words: string;
  /** Whether it belongs to the block above it. */
  inBlock: boolean;
}

function rangeWords(first: number, last: number): string {
  if (first === last) return String(first);
  return last === first + 1 ? `${first}, ${last}` : `${first}–${last}`;
}

/** Describes a shard: 'heads 0, 1 of 4', 'columns 0–127 of 256'. */
function shardWords({what, start, end, of}: PlacedShard): string {
  return `${what} ${rangeWords(start, end - 1)} of ${of}`;
}

/** The words for a layer that a rank holds completely. */
const WHOLE = 'whole';

interface Block {
  name: string;
  /**
   * The layers, named without the block's name, and the part of each on this rank; the name is ''
   * for a layer that is a block by itself.
   */
  layers: Array<{name: string; words: string}>;
}

function nameInBlock(layer: string, block: string): string {
  if (layer === block) return '';
  return layer.startsWith(`${block}/`) ? layer.slice(block.length + 1) : layer;
}

function blocksOf(weights: readonly WeightPlacement[]): Block[] {
  const blocks: Block[] = [];
  for (const {block, layer, part} of weights) {
    let entry = blocks.find((known) => known.name === block);
    if (!entry) blocks.push((entry = {name: block, layers: []}));
    const name = nameInBlock(layer, block);
    if (!entry.layers.some((known) => known.name === name))
      entry.layers.push({name, words: part ? shardWords(part) : WHOLE});
  }
  return blocks;
}

/**
 * The model's blocks that have weights, in the model's order, with their number of layers that have
 * weights.
 */
export function layersOfBlocks(model: tf.LayersModel): Map<string, number> {
  const layers = new Map<string, Set<tf.layers.Layer>>();
  for (const {block, layer} of readGraph(model).calls)
    if (layer.weights.length > 0) layers.set(block, (layers.get(block) ?? new Set()).add(layer));
  return new Map([...layers].map(([block, members]) => [block, members.size]));
}

/** Lists names: 'a, b', or 'a to d' for more than two that are consecutive in `order`. */
function listed(names: readonly string[], order: readonly string[]): string {
  const first = order.indexOf(names[0]);
  return names.length > 2 && names.every((name, i) => order[first + i] === name)
    ? `${names[0]} to ${names[names.length - 1]}`
    : names.join(', ');
}

/** A line for each sharded layer of a block, and one line for all its other layers. */
function layerLines({layers}: Block): string[] {
  const sharded = layers.filter(({words}) => words !== WHOLE);
  const unsharded = layers.filter(({words}) => words === WHOLE).map(({name}) => name);
  return [
    ...sharded.map(({name, words}) => `${name}: ${words}`),
    ...(unsharded.length > 0 ? [`${unsharded.join(', ')}: ${WHOLE}`] : []),
  ];
}

/**
 * The lines of a rank's weights, in the model's order. `layers` is the result of `layersOfBlocks`,
 * because a stage may hold only some layers of a block.
 */
export function placementLines(
  weights: readonly WeightPlacement[],
  layers: ReadonlyMap<string, number>,
): PlacementLine[] {
  const lines: PlacementLine[] = [];
  const blocks = blocksOf(weights);
  const order = [...layers.keys()];
  const isWhole = (block: Block) =>
    block.layers.length === layers.get(block.name) &&
    block.layers.every(({words}) => words === WHOLE);
  /** The words for a whole block; null for a block whose layers need a line each. */
  const blockWords = (block: Block) => {
    if (isWhole(block)) return WHOLE;
    return block.layers[0].name === '' ? block.layers[0].words : null;
  };
  const keyOf = (block: Block) => blockWords(block) ?? JSON.stringify(block.layers);
  for (let first = 0; first < blocks.length; ) {
    let next = first + 1;
    while (next < blocks.length && keyOf(blocks[next]) === keyOf(blocks[first])) next += 1;
    const names = listed(
      blocks.slice(first, next).map(({name}) => name),
      order,
    );
    const words = blockWords(blocks[first]);
    if (words !== null) lines.push({words: `${names}: ${words}`, inBlock: false});
    else {
      lines.push({words: names, inBlock: false});
      for (const line of layerLines(blocks[first])) lines.push({words: line, inBlock: true});
    }
    first = next;
  }
  return lines.length > 0 ? lines : [{words: 'no weights', inBlock: false}];
}

/** The lines of `placementLines` in one sentence. */
export function placementSentence(
  weights: readonly WeightPlacement[],
  layers: ReadonlyMap<string, number>,
): string {
  const clauses: string[] = [];
  let afterHeader = false;
  for (const {words, inBlock} of placementLines(weights, layers)) {
    if (inBlock) clauses[clauses.length - 1] += `${afterHeader ? ' with' : ','} ${words}`;
    else clauses.push(words);
    afterHeader = !inBlock;
  }
  return clauses.join('; ');
}
