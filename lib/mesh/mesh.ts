/**
 * The ranks of a run as a grid with named axes. The innermost axis counts fastest:
 * ranks that talk most stand next to each other (Narayanan et al. 2021, section 3.1: tensor
 * parallelism inside a machine, then data, then the pipeline's stages).
 */

/** An axis of the grid, by what its ranks divide among themselves. */
export type Axis = 'data' | 'tensor' | 'pipeline';

/** The axes, in the order in which a strategy names them. */
export const AXES: readonly Axis[] = ['data', 'tensor', 'pipeline'];

/** The axes from the outermost to the innermost. */
export const AXES_OUTSIDE_IN = ['pipeline', 'data', 'tensor'] as const satisfies readonly Axis[];

/** How many ranks each axis has. */
export interface MeshSizes {
  /** Replicas, each with its share of the samples. */
  data: number;
  /** Parts of each large weight. */
  tensor: number;
  /** Ranks that have the model's stages. */
  pipeline: number;
}

/** A rank's place on each axis, from 0. */
export type Coordinates = MeshSizes;

/** Rows of a grid that is written out whole. */
const MOST_ROWS = 24;

/** The grid; as JSON its three sizes. `String(mesh)` draws it. */
export class Mesh implements MeshSizes {
  readonly data: number;
  readonly tensor: number;
  readonly pipeline: number;

  constructor({data, tensor, pipeline}: MeshSizes) {
    this.data = data;
    this.tensor = tensor;
    this.pipeline = pipeline;
  }

  /** How many ranks there are. */
  get size(): number {
    return this.data * this.tensor * this.pipeline;
  }

  /** The rank at a place. */
  rankAt({data, tensor, pipeline}: Coordinates): number {
    return (pipeline * this.data + data) * this.tensor + tensor;
  }

  /** The place of a rank. */
  coordinatesOf(rank: number): Coordinates {
    const tensor = rank % this.tensor;
    const data = Math.floor(rank / this.tensor) % this.data;
    return {data, tensor, pipeline: Math.floor(rank / (this.tensor * this.data))};
  }

  /**
   * The ranks that differ from `rank` on `axis` alone, itself among them, in the axis's order: the
   * group in which they talk.
   */
  groupOf(axis: Axis, rank: number): number[] {
    const at = this.coordinatesOf(rank);
    return Array.from({length: this[axis]}, (_, i) => this.rankAt({...at, [axis]: i}));
  }

  /** All groups along `axis`, each rank in one of them. */
  groups(axis: Axis): number[][] {
    return Array.from({length: this.size}, (_, rank) => this.groupOf(axis, rank)).filter(
      ([first], rank) => first === rank,
    );
  }

  /**
   * The grid in letters: a row a stage and replica, a column a tensor part; of many rows the first
   * and the last.
   */
  toString(): string {
    const {data, tensor, pipeline, size} = this;
    const width =
      Math.max(tensor > 1 ? 'tensor 0'.length : 'rank'.length, String(size - 1).length) + 2;
    const cells = (texts: Array<string | number>) =>
      texts.map((text) => String(text).padStart(width)).join('');
    const parts = Array.from({length: tensor}, (_, part) => part);
    const column = (axis: Axis) => `${axis} ${this[axis] - 1}`.length + 2;
    const row = (stage: number, replica: number, first: boolean) => {
      const labels =
        (pipeline > 1 ? (first ? `pipeline ${stage}` : '').padEnd(column('pipeline')) : '') +
        (data > 1 ? `data ${replica}`.padEnd(column('data')) : '');
      return (
        labels +
        cells(parts.map((part) => this.rankAt({pipeline: stage, data: replica, tensor: part})))
      );
    };
    const rows = pipeline * data;
    const shown =
      rows <= MOST_ROWS
        ? Array.from({length: rows}, (_, i) => i)
        : [...Array.from({length: MOST_ROWS - 2}, (_, i) => i), rows - 1];
    const lines = shown.map((at, i) =>
      row(Math.floor(at / data), at % data, at % data === 0 || at !== shown[i - 1] + 1),
    );
    if (rows > MOST_ROWS) lines.splice(-1, 0, '...');
    const head =
      ' '.repeat((pipeline > 1 ? column('pipeline') : 0) + (data > 1 ? column('data') : 0)) +
      cells(tensor > 1 ? parts.map((part) => `tensor ${part}`) : ['rank']);
    const sizes = AXES_OUTSIDE_IN.map((axis) => `${axis} ${this[axis]}`).join(' x ');
    return [
      `${sizes}: ${size} rank${size === 1 ? '' : 's'}, tensor innermost`,
      head,
      ...lines,
    ].join('\n');
  }
}
