/**
 * Stage 3: the weights of a unit are in memory only while its layers run, forward or backward.
 * Meanwhile the next unit is gathered.
 */
import * as tf from '@tensorflow/tfjs';
import {ManyHandsError} from '../base/errors';
import type {CommStream} from '../dataParallel/commStream';
import {encodeGather} from '../dataParallel/commWork';
import {ArrayTensor} from '../devices/arrayTensor';
import {holdArray, sharesBuffer, withMemoryFor} from '../memory';
import {freeStorage} from '../model/freeStorage';
import type {LayerCall} from '../model/graph';
import type {TapeNode} from '../model/tfjsInternals';
import type {Tape} from '../step/tape';
import type {SpanRecorder} from '../trace/spans';
import type {Gathering, UnitSpan, Unit, UnitPlan} from './units';

/** A freed weight that a tape had saved: it is restored before the backward pass. */
interface FreedSaved {
  node: TapeNode;
  /** The position in the node's saved tensors. */
  position: number;
  variable: tf.Variable;
  shape: number[];
}

export class Gatherer {
  private readonly views: ArrayTensor[][][];
  private readonly releases: Array<() => void>;
  private gatherings: Gathering[] = [];
  /** By gathering, how many ops the stream must have finished until its weights are there. */
  private opCounts: number[] = [];
  private next = 0;
  private step = 0;
  /** The span whose weights are in memory. */
  private gatheredSpan: UnitSpan | null = null;
  /** By call, the tapes of unfinished micro-batches. */
  private readonly tapes = new Map<number, Set<Tape>>();
  private readonly freedSaved = new Map<UnitSpan, FreedSaved[]>();

  constructor(
    private readonly plan: UnitPlan,
    buffers: Float32Array[],
    private readonly stream: CommStream,
    private readonly recorder: SpanRecorder | null,
  ) {
    this.releases = buffers.map((buffer) => holdArray(buffer, 'gathered'));
    this.views = buffers.map((buffer) =>
      plan.units.map(({slices}) =>
        slices.map(({start, length}) => new ArrayTensor(buffer.subarray(start, start + length))),
      ),
    );
  }

  /** Before a step or a validation batch: sets what will be gathered, in order. */
  begin(gatherings: Gathering[], step: number): void {
    this.gatherings = gatherings;
    this.opCounts = [];
    this.next = 0;
    this.step = step;
    this.startGather(0);
  }

  /** On a rank without samples: gathers the next `count` units for the other ranks. */
  skip(count: number): void {
    this.reshard();
    for (let i = 0; i < count; i++) this.startGather(this.next++);
    this.startGather(this.next);
  }

  private startGather(n: number): void {
    if (n >= this.gatherings.length || this.opCounts[n] !== undefined) return;
    const {span, label} = this.gatherings[n];
    const op = encodeGather({unit: span.unit.index, buffer: n % 2, label});
    this.opCounts[n] = this.stream.start(op, this.step);
  }

  /** Waits for the weights of `call` and gives them to its variables. */
  async unshard(call: LayerCall): Promise<void> {
    const span = this.plan.spanOf.get(call.index);
    if (!span || this.gatheredSpan === span) return;
    this.reshard();
    const n = this.next++;
    if (this.gatherings[n]?.span !== span)
      throw new ManyHandsError(
        'INTERNAL',
        `internal: gathering ${n} is of '${this.gatherings[n]?.span.unit.name}', the pass needs '${span.unit.name}'.`,
      );
    const wait = () => this.stream.wait(this.opCounts[n]);
    if (!this.recorder || this.stream.isComplete(this.opCounts[n])) await wait();
    else await this.recorder.inside('wait', 'weights', wait);
    this.assign(span.unit, n % 2);
    this.gatheredSpan = span;
    this.restoreSaved(span);
    // The other buffer is free, because its unit has just been resharded.
    this.startGather(n + 1);
  }

  private assign({index, slices}: Unit, buffer: number): void {
    slices.forEach(({entry: {variable}}, i) => {
      withMemoryFor('gathered', () => {
        const tensor = this.views[buffer][index][i].tensor(variable.shape);
        variable.assign(tensor);
        tensor.dispose();
      });
    });
  }

  /** Keeps track of a tape that was made with the weights in memory. */
  keep(call: LayerCall, tape: Tape): void {
    if (!this.plan.spanOf.has(call.index)) return;
    const tapes = this.tapes.get(call.index) ?? new Set();
    this.tapes.set(call.index, tapes.add(tape));
  }

  /** After the backward pass of `call`: forgets its used tapes, which have no nodes left. */
  dropUsedTapes(call: LayerCall): void {
    const tapes = this.tapes.get(call.index);
    for (const tape of tapes ?? []) if (tape.nodes.length === 0) tapes!.delete(tape);
  }

  /** After the forward pass of `call`: frees the unit's weights after their last use. */
  forwardOver(call: LayerCall): void {
    if (this.gatheredSpan?.to === call.index) this.reshard();
  }

  /** After the backward pass of `call`: frees the unit's weights after their last use. */
  backwardOver(call: LayerCall): void {
    if (this.gatheredSpan?.from === call.index) this.reshard();
  }

  /** Frees the weights in memory, both in the variables and in the tapes. */
  reshard(): void {
    const span = this.gatheredSpan;
    if (!span) return;
    this.gatheredSpan = null;
    const {slices} = span.unit;
    const freed: FreedSaved[] = [];
    for (const [index, tapes] of this.tapes) {
      if (this.plan.spanOf.get(index) !== span) continue;
      for (const node of [...tapes].flatMap(({nodes}) => nodes)) {
        node.saved.forEach((saved, position) => {
          if (saved.isDisposed) return;
          const slice = slices.find(({entry}) => sharesBuffer(saved, entry.variable));
          if (!slice) return;
          freed.push({node, position, variable: slice.entry.variable, shape: saved.shape});
          saved.dispose();
        });
      }
    }
    if (freed.length > 0) this.freedSaved.set(span, freed);
    for (const {entry} of slices) freeStorage(entry.variable);
  }

  private restoreSaved(span: UnitSpan): void {
    for (const {node, position, variable, shape} of this.freedSaved.get(span) ?? [])
      node.saved[position] = tf.util.arraysEqual(shape, variable.shape)
        ? tf.clone(variable)
        : tf.reshape(variable, shape);
    this.freedSaved.delete(span);
  }

  /** After a step, whether it succeeded or failed. */
  clear(): void {
    this.reshard();
    this.tapes.clear();
    this.freedSaved.clear();
  }

  dispose(): void {
    for (const view of this.views.flat(2)) view.dispose();
    for (const release of this.releases) release();
  }
}
