/**
 * The error of the memory limit: which operation needed how much, what was alive, and
 * what to do.
 */
import {ManyHandsError} from '../base/errors';
import {formatBytes} from '../base/units';
import {typeName} from './elementTypes';
import {inWords, type ByCategory} from './categories';
import type {NamedBuffer} from './ledger';

/** The figures of a refused operation. */
export interface Refusal {
  /** The operation; 'data' for values that the program supplied. */
  op: string;
  /** The layer that ran it, if known. */
  layer: string | null;
  /** The shapes and types of its outputs that need memory of their own. */
  outputs: {shape: readonly number[]; type: number}[];
  /** The bytes of these outputs together. */
  bytes: number;
  liveBytes: number;
  limitBytes: number;
  /** Whether the size was known only after the operation had run; its outputs were then freed. */
  afterwards: boolean;
  /** Live bytes by category. */
  byCategory: ByCategory;
  /** The largest live buffers. */
  largest: NamedBuffer[];
}

/**
 * Code 'MEMORY_LIMIT': an operation would pass `memoryLimit`. `refusal` has the message's figures.
 */
export class MemoryLimitError extends ManyHandsError {
  constructor(readonly refusal: Refusal) {
    super('MEMORY_LIMIT', sentence(refusal));
  }
}

function shown(shape: readonly number[], type: number): string {
  return `[${shape.join(', ')}] ${typeName(type)}`;
}

const ORIGINS: Partial<Record<string, string>> = {
  data: 'data that the program gave',
  earlier: 'made before the count began',
};

function describeMaker({op, layer, variable}: NamedBuffer): string {
  // tfjs's optimizers name their variables only by a number.
  if (variable !== null)
    return /^\d+$/.test(variable)
      ? "a variable without a name (an optimizer's state)"
      : `variable '${variable}'`;
  const from = ORIGINS[op] ?? `made by ${op}`;
  return layer ? `${from} in layer '${layer}'` : from;
}

/** The operation that needs memory, with its layer if known. */
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
