/**
 * Short arrays that travel with the agreement: each rank writes its numbers next to its descriptor,
 * and every rank reduces all of them by itself.
 */
import {INLINE_ELEMENTS} from '../ledger';
import type {CallDescriptor, Numbers} from '../types';
import type {Layout} from './layout';

/** Whether a call's numbers travel inline: a second meeting would cost more than it saves. */
export const travelsInline = ({operation, algorithm, length}: CallDescriptor): boolean =>
  operation === 'allReduce' && algorithm === 'shared' && length <= INLINE_ELEMENTS;

/** Views of the room for inline numbers, which alternates between two places. */
export class InlineViews {
  /** The last views by parity: most programs repeat their last call. */
  private readonly cache: Array<{type: unknown; length: number; views: Numbers[]}> = [];

  constructor(
    private readonly buffer: ArrayBuffer,
    private readonly layout: Layout,
  ) {}

  /** All ranks' numbers, by rank, in the type and length of `array`. */
  views(array: Numbers, parity: number): Numbers[] {
    const type = array.constructor as new (
      buffer: ArrayBuffer,
      offset: number,
      length: number,
    ) => Numbers;
    const cached = this.cache[parity];
    if (cached && cached.type === type && cached.length === array.length) return cached.views;
    const views = Array.from(
      {length: this.layout.size},
      (_, rank) => new type(this.buffer, this.layout.inlineAt(rank, parity), array.length),
    );
    this.cache[parity] = {type, length: array.length, views};
    return views;
  }
}
