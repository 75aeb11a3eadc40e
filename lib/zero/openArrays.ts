/**
 * The arrays of one rank of ZeRO and the communication streams on them: full weights or shards,
 * full gradients or shards, and buffers for what is sent.
 */
import {partStart, type Communicator} from '../collectives/types';
import type {CommStream} from '../dataParallel/commStream';
import type {GatherWork} from '../dataParallel/commWork';
import type {OpenCommStream} from '../dataParallel/dataParallel';
import {alignUp} from '../dataParallel/packFlat';
import {ArrayTensor, sharedArray} from '../devices/arrayTensor';
import {holdArray} from '../memory';
import type {SpanRecorder} from '../trace/spans';
import {Gatherer} from './gatherer';
import type {Shard} from './shard';
import {Shards} from './shards';
import type {Unit, UnitPlan} from './units';

/** Where each unit starts in an array of all units, and the length of that array, in elements. */
export interface FlatLayout {
  starts: number[];
  length: number;
}

export function flatLayoutOf(units: readonly Unit[]): FlatLayout {
  let length = 0;
  const starts = units.map((unit) => {
    const start = length;
    length = alignUp(start + unit.length);
    return start;
  });
  return {starts, length};
}

export interface ZeroContext {
  comm: Communicator;
  stage: 1 | 2 | 3;
  plan: UnitPlan;
  layout: FlatLayout;
  openStream: OpenCommStream;
  recorder: SpanRecorder | null;
  /** Gets a function for everything that must be freed, even if `openArrays` fails halfway. */
  cleanups: Array<() => void>;
}

export interface ZeroArrays {
  /** All weights (stages 1 and 2); null if every rank holds only its shards (stage 3). */
  fullWeights: Float32Array | null;
  shards: Shards;
  /** Gathers the units' weights; stage 3 only. */
  gatherer: Gatherer | null;
  /** Sums the units' gradients. */
  scatters: CommStream;
  /**
   * Views of each unit's gradients: `views[buffer][unit][slice]`. Stage 1 has one buffer, the whole
   * gradient; the other stages have two buffers, each as large as the largest unit.
   */
  views: ArrayTensor[][][];
}

/** Opens the arrays; all ranks of `comm` must call it. */
export async function openArrays(context: ZeroContext): Promise<ZeroArrays> {
  const opener = new ArrayOpener(context);
  const {weights, fullWeights, gatherer} = await opener.openWeights();
  const {gradients, scatters, views} = await opener.openGradients();
  const shards = opener.parts.map(
    ({unit, start, end}, i): Shard => ({
      unit,
      start,
      end,
      weights: weights[i],
      gradients: gradients[i],
    }),
  );
  return {fullWeights, gatherer, scatters, views, shards: new Shards(shards)};
}

/** A rank's part of a unit: its elements in the unit, and its offset in the rank's local arrays. */
interface LocalPart {
  unit: Unit;
  start: number;
  end: number;
  offset: number;
}

class ArrayOpener {
  readonly parts: LocalPart[];
  /** Elements of a local array, which holds this rank's parts of all units. */
  private localLength = 0;
  private readonly largestUnit: number;
  /** The units as the streams see them. */
  private readonly streamUnits: GatherWork['units'];

  constructor(private readonly context: ZeroContext) {
    const {
      comm: {rank, size},
      plan: {units},
    } = context;
    this.parts = units.map((unit) => {
      const start = partStart(rank, unit.length, size);
      const end = partStart(rank + 1, unit.length, size);
      const offset = alignUp(this.localLength);
      this.localLength = offset + end - start;
      return {unit, start, end, offset};
    });
    this.largestUnit = Math.max(...units.map(({length}) => length));
    this.streamUnits = this.parts.map(({unit: {name, length}, offset}) => ({
      name,
      length,
      shard: offset,
    }));
  }

  async openWeights(): Promise<{
    weights: Float32Array[];
    fullWeights: Float32Array | null;
    gatherer: Gatherer | null;
  }> {
    const {comm, stage, plan, layout, openStream, recorder} = this.context;
    if (stage < 3) {
      const fullWeights = await comm.allocate(layout.length, 'float32');
      return {weights: this.partsOfFull(fullWeights), fullWeights, gatherer: null};
    }
    const {shards, parts} = this.localArray('parameters');
    const buffers = await this.unitBuffers();
    const stream = openStream({kind: 'gather', buffers, shards, units: this.streamUnits}, 1);
    const gatherer = new Gatherer(plan, buffers, stream, recorder);
    this.context.cleanups.push(() => gatherer.dispose());
    return {weights: parts, fullWeights: null, gatherer};
  }

  async openGradients(): Promise<{
    gradients: Float32Array[];
    scatters: CommStream;
    views: ArrayTensor[][][];
  }> {
    const {comm, stage, plan, layout, openStream} = this.context;
    if (stage === 1) {
      const flat = await comm.allocate(layout.length, 'float32');
      this.context.cleanups.push(holdArray(flat, 'gradients'));
      const views = [this.viewsOf(flat, ({index}) => layout.starts[index])];
      const buckets = plan.units.map((unit, i) => ({
        start: layout.starts[i],
        end: layout.starts[i] + unit.length,
      }));
      const scatters = openStream({kind: 'reduce', flat, buckets, operation: 'reduceScatter'}, 0);
      return {gradients: this.partsOfFull(flat), scatters, views};
    }
    const {shards, parts} = this.localArray('gradients');
    const buffers = await this.unitBuffers();
    for (const buffer of buffers) this.context.cleanups.push(holdArray(buffer, 'communication'));
    const views = buffers.map((buffer) => this.viewsOf(buffer, () => 0));
    const scatters = openStream({kind: 'scatter', buffers, shards, units: this.streamUnits}, 0);
    return {gradients: parts, scatters, views};
  }

  /** An array with this rank's parts of all units, which the rank's helper threads see too. */
  private localArray(category: 'parameters' | 'gradients'): {
    shards: Float32Array;
    parts: Float32Array[];
  } {
    const shards = sharedArray(this.localLength);
    const parts = this.parts.map(({start, end, offset}) =>
      shards.subarray(offset, offset + end - start),
    );
    // The gaps between the parts do not count, just as the padding of malloc does not count.
    this.context.cleanups.push(...parts.map((part) => holdArray(part, category)));
    return {shards, parts};
  }

  /** This rank's part of each unit in an array of all units. */
  private partsOfFull(array: Float32Array): Float32Array[] {
    const {starts} = this.context.layout;
    return this.parts.map(({start, end}, i) => array.subarray(starts[i] + start, starts[i] + end));
  }

  /** Two buffers, so that a unit can travel while another unit is in use. */
  private async unitBuffers(): Promise<Float32Array[]> {
    const {comm} = this.context;
    return [
      await comm.allocate(this.largestUnit, 'float32'),
      await comm.allocate(this.largestUnit, 'float32'),
    ];
  }

  private viewsOf(array: Float32Array, startOf: (unit: Unit) => number): ArrayTensor[][] {
    return this.context.plan.units.map((unit) =>
      unit.slices.map((slice) => {
        const start = startOf(unit) + slice.start;
        const view = new ArrayTensor(array.subarray(start, start + slice.length));
        this.context.cleanups.push(() => view.dispose());
        return view;
      }),
    );
  }
}
