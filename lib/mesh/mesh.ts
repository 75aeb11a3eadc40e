/**
 * The ranks of a run as a grid with named axes. Ranks that communicate most are next to each other:
 * the tensor axis is innermost, then data, then pipeline (Narayanan et al. 2021, section 3.1:
 * tensor parallelism inside a machine).
 */

import {readOptions, wholeNumber, type OptionTable} from '../base/options';

/** An axis of the grid, named after what its ranks divide among themselves. */
export type Axis = 'data' | 'tensor' | 'pipeline';

/** All axes, in the order in which messages list them. */
export const AXES: readonly Axis[] = ['data', 'tensor', 'pipeline'];
/** The axes from the innermost, whose ranks are consecutive, to the outermost. */
export const AXES_INSIDE_OUT: readonly Axis[] = ['tensor', 'data', 'pipeline'];
/** The axes from the outermost to the innermost. */
export const AXES_OUTSIDE_IN: readonly Axis[] = [...AXES_INSIDE_OUT].reverse();

/** How many ranks each axis has. */
export interface MeshSizes {
  /** Replicas, each with its share of the samples. */
  data: number;
  /** Shards of each large weight. */
  tensor: number;
  /** Ranks that hold the stages of the model. */
  pipeline: number;
}

/** A rank's position on each axis, from 0. */
export type Coordinates = MeshSizes;

const SIZES: OptionTable<MeshSizes> = {
  data: wholeNumber(1),
  tensor: wholeNumber(1),
  pipeline: wholeNumber(1),
};

/** A drawing with more rows than this leaves out the middle. */
const MOST_ROWS = 24;

/** The grid of ranks. As JSON it is its three sizes; `String(mesh)` draws it. */
export class Mesh implements MeshSizes {
  readonly data: number;
  readonly tensor: number;
  readonly pipeline: number;

  /** Throws BAD_OPTION for a size that is not a whole number from 1. */
  constructor(sizes: MeshSizes) {
    const {data, tensor, pipeline} = readOptions('Mesh', sizes, SIZES, {path: 'sizes'});
    this.data = data;
    this.tensor = tensor;
    this.pipeline = pipeline;
  }

  /** The number of ranks. */
  get size(): number {
    return this.data * this.tensor * this.pipeline;
  }

  /** The rank at a position. */
  rankAt({data, tensor, pipeline}: Coordinates): number {
    return (pipeline * this.data + data) * this.tensor + tensor;
  }

  /** The position of a rank. */
  coordinatesOf(rank: number): Coordinates {
    const tensor = rank % this.tensor;
    const data = Math.floor(rank / this.tensor) % this.data;
    return {data, tensor, pipeline: Math.floor(rank / (this.tensor * this.data))};
  }

  /**
   * The group of a rank along `axis`: the ranks that have the same position on the other axes,
   * including `rank`, in the axis's order.
   */
  groupOf(axis: Axis, rank: number): number[] {
    const position = this.coordinatesOf(rank);
    return Array.from({length: this[axis]}, (_, i) => this.rankAt({...position, [axis]: i}));
  }

  /** All groups along `axis`; each rank is in one of them. */
  groups(axis: Axis): number[][] {
    return Array.from({length: this.size}, (_, rank) => this.groupOf(axis, rank)).filter(
      ([first], rank) => first === rank,
    );
  }

  /**
   * The grid as text: a row for each stage and replica, a column for each tensor shard. A long grid
   * shows its first rows and its last row.
   */
  toString(): string {
    const {data, tensor, pipeline, size} = this;
    const width =
      Math.max(tensor > 1 ? 'tensor 0'.length : 'rank'.length, String(size - 1).length) + 2;
    const cells = (texts: Array<string | number>) =>
      texts.map((text) => String(text).padStart(width)).join('');
    const shards = Array.from({length: tensor}, (_, shard) => shard);
    const columnWidth = (axis: Axis) =>
      this[axis] > 1 ? `${axis} ${this[axis] - 1}`.length + 2 : 0;
    const label = (axis: Axis, text: string) => text.padEnd(columnWidth(axis));
    const rowCount = pipeline * data;
    const rows =
      rowCount <= MOST_ROWS
        ? Array.from({length: rowCount}, (_, row) => row)
        : [...Array.from({length: MOST_ROWS - 2}, (_, row) => row), rowCount - 1];
    const lines = rows.map((row, i) => {
      const [stage, replica] = [Math.floor(row / data), row % data];
      // A stage is named in its first row, and in a row after a gap.
      const namesStage = pipeline > 1 && (replica === 0 || row !== rows[i - 1] + 1);
      return (
        label('pipeline', namesStage ? `pipeline ${stage}` : '') +
        label('data', data > 1 ? `data ${replica}` : '') +
        cells(shards.map((shard) => this.rankAt({pipeline: stage, data: replica, tensor: shard})))
      );
    });
    if (rowCount > MOST_ROWS) lines.splice(-1, 0, '...');
    const head =
      ' '.repeat(columnWidth('pipeline') + columnWidth('data')) +
      cells(tensor > 1 ? shards.map((shard) => `tensor ${shard}`) : ['rank']);
    const sizes = AXES_OUTSIDE_IN.map((axis) => `${axis} ${this[axis]}`).join(' x ');
    return [
      `${sizes}: ${size} rank${size === 1 ? '' : 's'}, tensor innermost`,
      head,
      ...lines,
    ].join('\n');
  }
}
