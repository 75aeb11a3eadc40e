/**
 * The error of the memory limit: what asked for how much, what was alive, and what to
 * do.
 */
import {ManyHandsError} from '../base/errors';
import {formatBytes} from '../base/units';
import {typeName} from './elementTypes';
import {inWords, type ByCategory} from './categories';
import type {NamedBuffer} from './ledger';

/** What the limit refused, in figures. */
export interface Refusal {
  /** The operation; 'data' for values that the program gave. */
  op: string;
  /** The layer in whose call it ran, where known. */
  layer: string | null;
  /**
   * What the operation asked for: the shapes and types of its outputs that take memory of their
   * own, and their bytes together.
   */
  outputs: {shape: readonly number[]; type: number}[];
  bytes: number;
  liveBytes: number;
  limitBytes: number;
  /**
   * True when nothing could tell the size before the operation ran: it was counted after, and
   * released.
   */
  afterwards: boolean;
  /** Bytes alive, by what they are for. */
  byCategory: ByCategory;
  /** The largest buffers alive. */
  largest: NamedBuffer[];
}

/**
 * `memoryLimit` would be passed (code 'MEMORY_LIMIT'); `refusal` holds the figures of the sentence.
 */
export class MemoryLimitError extends ManyHandsError {
  constructor(readonly refusal: Refusal) {
    super('MEMORY_LIMIT', sentence(refusal));
  }
}

function shown(shape: readonly number[], type: number): string {
  return `[${shape.join(', ')}] ${typeName(type)}`;
}

function describeMaker({op, layer, variable}: NamedBuffer): string {
  // tfjs's optimizers give their variables no name but a number.
  if (variable !== null)
    return /^\d+$/.test(variable)
      ? "a variable without a name (an optimizer's state)"
      : `variable '${variable}'`;
  const from =
    op === 'data'
      ? 'data that the program gave'
      : op === 'earlier'
        ? 'made before the count began'
        : `made by ${op}`;
  return layer ? `${from} in layer '${layer}'` : from;
}

/** What asks, with the layer if it is known. */
function describeAsker({op, layer}: Refusal): string {
  return `${op === 'data' ? "A tensor of the program's own data" : `Operation ${op}`}${layer ? ` in layer '${layer}'` : ''}`;
}

function sentence(refusal: Refusal): string {
  const {outputs, bytes, liveBytes, limitBytes, largest} = refusal;
  const shapes =
    outputs
      .slice(0, 3)
      .map(({shape, type}) => shown(shape, type))
      .join(', ') + (outputs.length > 3 ? `, and ${outputs.length - 3} more` : '');
  const asks = refusal.afterwards
    ? `${describeAsker(refusal)} took ${formatBytes(bytes)} (${shapes}), which could be told only after it ran; it has been released. Before it ${formatBytes(liveBytes)} were alive`
    : `${describeAsker(refusal)} asks for ${formatBytes(bytes)} (${shapes}) while ${formatBytes(liveBytes)} are alive`;
  const alive =
    largest.length === 0
      ? ''
      : ` Largest alive: ${largest
          .map(
            (buffer) =>
              `${formatBytes(buffer.bytes)} ${shown(buffer.shape, buffer.type)}, ${describeMaker(buffer)}`,
          )
          .join('; ')}.`;
  const held = inWords(refusal.byCategory);
  return (
    `memoryLimit is ${formatBytes(limitBytes)}. ${asks}: together ${formatBytes(liveBytes + bytes)}, ${formatBytes(liveBytes + bytes - limitBytes)} over the limit.${held ? ` Alive are ${held}.` : ''}${alive}` +
    ' To need less: a smaller batchSize, microBatches (each step in parts, one after another), recompute, or a smaller model. The count holds tensors only, not the scratch memory inside a kernel.'
  );
}
