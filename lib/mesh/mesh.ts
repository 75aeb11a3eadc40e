/**
 * Either side. The ranks of a run as a grid with named axes. The innermost axis counts fastest: ranks that talk most stand next to each other (Narayanan et al.
 * 2021, section 3.1: tensor parallelism inside a machine, then data, then the pipeline's stages).
 */

/** An axis of the grid, by what its ranks divide among themselves. */
export type Axis = 'data' | 'tensor' | 'pipeline';

/** The axes from the outermost to the innermost. */
export const AXES_OUTSIDE_IN = ['pipeline', 'data', 'tensor'] as const satisfies readonly Axis[];

/** How many ranks each axis has. */
export interface MeshSizes {
  /** Ranks that each hold other samples. */
  data: number;
  /** Ranks that share each layer. */
  tensor: number;
  /** Ranks that each hold other layers. */
  pipeline: number;
}

/** A rank's place on each axis, from 0. */
export type Coordinates = MeshSizes;

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

  /** The ranks that differ from `rank` on `axis` alone, itself among them, in the axis's order: the group in which they talk. */
  groupOf(axis: Axis, rank: number): number[] {
    const at = this.coordinatesOf(rank);
    return Array.from({length: this[axis]}, (_, i) => this.rankAt({...at, [axis]: i}));
  }

  /** All groups along `axis`, each rank in one of them. */
  groups(axis: Axis): number[][] {
    return Array.from({length: this.size}, (_, rank) => this.groupOf(axis, rank)).filter(([first], rank) => first === rank);
  }

  /** The grid in letters: a row a stage and replica, a column a tensor part. */
  toString(): string {
    const width = Math.max(8, String(this.size - 1).length + 2);
    const cell = (text: string | number) => String(text).padStart(width);
    const label = (text: string) => text.padEnd(20);
    const head = label('') + Array.from({length: this.tensor}, (_, t) => cell(this.tensor > 1 ? `tensor ${t}` : 'rank')).join('  ');
    const rows = Array.from({length: this.pipeline * this.data}, (_, row) => {
      const [pipeline, data] = [Math.floor(row / this.data), row % this.data];
      const names = [...(this.pipeline > 1 ? [`pipeline ${pipeline}`] : []), ...(this.data > 1 ? [`data ${data}`] : [])];
      return label(names.join(', ')) + Array.from({length: this.tensor}, (_, tensor) => cell(this.rankAt({pipeline, data, tensor}))).join('  ');
    });
    const sizes = AXES_OUTSIDE_IN.map((axis) => `${axis} ${this[axis]}`).join(' x ');
    return [`${sizes}: ${this.size} rank${this.size === 1 ? '' : 's'}, tensor innermost`, head, ...rows].join('\n');
  }
}
