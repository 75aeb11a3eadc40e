/**
 * What a rank holds, in lines: by block, blocks that are alike together, whole layers
 * in one line.
 */
import type * as tf from '@tensorflow/tfjs';
import type {PlacedShard, WeightPlacement} from '../../placement/placements';
import {readGraph} from '../../model/graph';

/** A line of a rank's box. */
export interface HoldingLine {
  words: string;
  /** Whether it belongs to the block above it. */
  inBlock: boolean;
}

/** 'heads 0, 1 of 4', 'columns 0–127 of 256'. */
function partWords({what, start, end, of}: PlacedShard): string {
  const last = end - 1;
  const which =
    last === start ? `${start}` : last === start + 1 ? `${start}, ${last}` : `${start}–${last}`;
  return `${what} ${which} of ${of}`;
}

interface Block {
  name: string;
  /**
   * Its layers without the block's name, and what of each; a layer that is a block by itself has
   * ''.
   */
  layers: Array<{name: string; words: string}>;
}

function blocksOf(weights: readonly WeightPlacement[]): Block[] {
  const blocks: Block[] = [];
  for (const {block, layer, part} of weights) {
    let own = blocks.find(({name}) => name === block);
    if (!own) blocks.push((own = {name: block, layers: []}));
    const name =
      layer === block ? '' : layer.startsWith(`${block}/`) ? layer.slice(block.length + 1) : layer;
    if (!own.layers.some((one) => one.name === name))
      own.layers.push({name, words: part ? partWords(part) : 'whole'});
  }
  return blocks;
}

/**
 * The model's blocks that have weights, in its order, and how many layers with weights each has.
 */
export function layersOfBlocks(model: tf.LayersModel): Map<string, number> {
  const layers = new Map<string, Set<tf.layers.Layer>>();
  for (const {block, layer} of readGraph(model).calls)
    if (layer.weights.length > 0) layers.set(block, (layers.get(block) ?? new Set()).add(layer));
  return new Map([...layers].map(([block, own]) => [block, own.size]));
}

/** 'a, b'; 'a to d' of more than two that follow each other in `order`. */
function together(names: readonly string[], order: readonly string[]): string {
  const first = order.indexOf(names[0]);
  return names.length > 2 && names.every((name, i) => order[first + i] === name)
    ? `${names[0]} to ${names[names.length - 1]}`
    : names.join(', ');
}

/** A block's divided layers, a line each, and its whole ones in one. */
function layerLines({layers}: Block): string[] {
  const whole = layers.filter(({words}) => words === 'whole').map(({name}) => name);
  return [
    ...layers.filter(({words}) => words !== 'whole').map(({name, words}) => `${name}: ${words}`),
    ...(whole.length > 0 ? [`${whole.join(', ')}: whole`] : []),
  ];
}

/**
 * The lines of a rank's weights, in the model's order; `layers`: as `layersOfBlocks` has them,
 * since a stage may have a part of a block.
 */
export function holdingLines(
  weights: readonly WeightPlacement[],
  layers: ReadonlyMap<string, number>,
): HoldingLine[] {
  const lines: HoldingLine[] = [];
  const blocks = blocksOf(weights);
  const order = [...layers.keys()];
  const isWhole = (block: Block) =>
    block.layers.length === layers.get(block.name) &&
    block.layers.every(({words}) => words === 'whole');
  /** What is said of all of a block at once; null where its layers have a line each. */
  const atOnce = (block: Block) =>
    isWhole(block) ? 'whole' : block.layers[0].name === '' ? block.layers[0].words : null;
  const keyOf = (block: Block) => atOnce(block) ?? JSON.stringify(block.layers);
  for (let at = 0; at < blocks.length; ) {
    let next = at + 1;
    while (next < blocks.length && keyOf(blocks[next]) === keyOf(blocks[at])) next += 1;
    const names = blocks.slice(at, next).map(({name}) => name);
    const words = atOnce(blocks[at]);
    if (words !== null) lines.push({words: `${together(names, order)}: ${words}`, inBlock: false});
    else {
      lines.push({words: together(names, order), inBlock: false});
      for (const words of layerLines(blocks[at])) lines.push({words, inBlock: true});
    }
    at = next;
  }
  return lines.length > 0 ? lines : [{words: 'no weights', inBlock: false}];
}

/** The same in a sentence. */
export function holdingSentence(
  weights: readonly WeightPlacement[],
  layers: ReadonlyMap<string, number>,
): string {
  const clauses: string[] = [];
  let opened = false;
  for (const {words, inBlock} of holdingLines(weights, layers)) {
    if (inBlock) clauses[clauses.length - 1] += `${opened ? ' with' : ','} ${words}`;
    else clauses.push(words);
    opened = !inBlock;
  }
  return clauses.join('; ');
}
