/**
 * Stage 3: a unit's weights are there while its layers run, forward and backward, and
 * gone in between; the next unit's are on their way meanwhile.
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

/** A weight that a tape had saved: it is put back before the backward. */
interface FreedSaved {
  node: TapeNode;
  at: number;
  variable: tf.Variable;
  shape: number[];
}

export class Gatherer {
  private readonly views: ArrayTensor[][][];
  private readonly releases: Array<() => void>;
  private gatherings: Gathering[] = [];
  /** How many orders the lane must have done before gathering n is there. */
  private orders: number[] = [];
  private next = 0;
  private step = 0;
  private held: UnitSpan | null = null;
  /** By call, the tapes of micro-batches that are under way. */
  private readonly tapes = new Map<number, Set<Tape>>();
  private readonly freedSaved = new Map<UnitSpan, FreedSaved[]>();

  constructor(
    private readonly plan: UnitPlan,
    buffers: Float32Array[],
    private readonly lane: CommStream,
    private readonly recorder: SpanRecorder | null,
  ) {
    this.releases = buffers.map((buffer) => holdArray(buffer, 'gathered'));
    this.views = buffers.map((buffer) =>
      plan.units.map(({places}) =>
        places.map(({start, length}) => new ArrayTensor(buffer.subarray(start, start + length))),
      ),
    );
  }

  /** Before a step, or a batch of validation: what will be gathered, in order. */
  begin(gatherings: Gathering[], step: number): void {
    this.gatherings = gatherings;
    this.orders = [];
    this.next = 0;
    this.step = step;
    this.order(0);
  }

  /** A rank without samples gathers the next `count` with the others, and uses none. */
  skip(count: number): void {
    this.reshard();
    for (let i = 0; i < count; i++) this.order(this.next++);
    this.order(this.next);
  }

  private order(n: number): void {
    if (n >= this.gatherings.length || this.orders[n] !== undefined) return;
    const {span, label} = this.gatherings[n];
    this.orders[n] = this.lane.start(encodeGather(span.unit.index, n % 2, label), this.step);
  }

  /** The weights of `call` are there. */
  async unshard(call: LayerCall): Promise<void> {
    const run = this.plan.spanOf.get(call.index);
    if (!run || this.held === run) return;
    this.reshard();
    const n = this.next++;
    if (this.gatherings[n]?.span !== run)
      throw new ManyHandsError(
        'INTERNAL',
        `internal: gathering ${n} is of '${this.gatherings[n]?.span.unit.name}', the walk needs '${run.unit.name}'.`,
      );
    const wait = () => this.lane.wait(this.orders[n]);
    if (!this.recorder || this.lane.isComplete(this.orders[n])) await wait();
    else await this.recorder.inside('wait', 'weights', wait);
    this.assign(run.unit, n % 2);
    this.held = run;
    this.restoreSaved(run);
    // Its buffer is free: the unit that was in it has just been released.
    this.order(n + 1);
  }

  private assign({index, places}: Unit, buffer: number): void {
    places.forEach(({entry: {variable}}, i) => {
      withMemoryFor('gathered', () => {
        const tensor = this.views[buffer][index][i].tensor(variable.shape);
        variable.assign(tensor);
        tensor.dispose();
      });
    });
  }

  /** A tape that was made with the weights that are held. */
  keep(call: LayerCall, tape: Tape): void {
    if (!this.plan.spanOf.has(call.index)) return;
    const own = this.tapes.get(call.index) ?? new Set();
    this.tapes.set(call.index, own.add(tape));
  }

  /** The backward of `call` is over. */
  dropUsedTapes(call: LayerCall): void {
    const own = this.tapes.get(call.index);
    // A tape that was walked is used up.
    for (const tape of own ?? []) if (tape.nodes.length === 0) own!.delete(tape);
  }

  /** The forward of `call` is over; its unit's weights go where it was the last that used them. */
  forwardOver(call: LayerCall): void {
    if (this.held?.to === call.index) this.reshard();
  }

  backwardOver(call: LayerCall): void {
    if (this.held?.from === call.index) this.reshard();
  }

  /** Frees the weights that are held, in the variables and in the tapes. */
  reshard(): void {
    const run = this.held;
    if (!run) return;
    this.held = null;
    const {places} = run.unit;
    const found: FreedSaved[] = [];
    for (const [index, tapes] of this.tapes) {
      if (this.plan.spanOf.get(index) !== run) continue;
      for (const node of [...tapes].flatMap(({nodes}) => nodes)) {
        node.saved.forEach((saved, at) => {
          if (saved.isDisposed) return;
          const place = places.find(({entry}) => sharesBuffer(saved, entry.variable));
          if (!place) return;
          found.push({node, at, variable: place.entry.variable, shape: saved.shape});
          saved.dispose();
        });
      }
    }
    if (found.length > 0) this.freedSaved.set(run, found);
    for (const {entry} of places) freeStorage(entry.variable);
  }

  private restoreSaved(run: UnitSpan): void {
    for (const {node, at, variable, shape} of this.freedSaved.get(run) ?? [])
      node.saved[at] = tf.util.arraysEqual(shape, variable.shape)
        ? tf.clone(variable)
        : tf.reshape(variable, shape);
    this.freedSaved.delete(run);
  }

  /** A step ended, well or not. */
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
