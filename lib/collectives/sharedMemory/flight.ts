/**
 * The flight recorder: each rank's last thousand calls, in shared memory, so that they
 * can be read after the rank was killed.
 */
import type {CallDescriptor, FlightRecord, NumberType, OperationName} from '../types';
import {LABEL_BYTES, RANK, RECORD_BYTES, RECORDS, type Layout} from './layout';

export const OPERATIONS: readonly OperationName[] = [
  'broadcast',
  'reduce',
  'allReduce',
  'reduceScatter',
  'allGather',
  'allToAll',
  'send',
  'recv',
  'barrier',
  'group',
  'allocate',
];
export const TYPES: readonly NumberType[] = ['float32', 'int32'];

const STARTED = 1;
const FINISHED = 2;
/**
 * Float64 places of the two times, Int32 places of the rest, and the label's bytes, within a line.
 */
const LINE = {
  startedAt: 0,
  finishedAt: 1,
  sequence: 4,
  operation: 5,
  type: 6,
  state: 7,
  length: 4,
  peer: 10,
  labelAt: 44,
};
const NO_PEER = -1;

export class FlightRecorder {
  private readonly floats: Float64Array;
  private readonly words: Int32Array;
  private readonly bytes: Uint8Array;
  private readonly count: Int32Array;
  private readonly labels = new Map<string, Uint8Array>();
  private at = 0;

  constructor(
    buffer: ArrayBuffer,
    layout: Layout,
    private readonly rank: number,
  ) {
    const start = layout.recordsAt(rank);
    const bytes = RECORDS * RECORD_BYTES;
    this.floats = new Float64Array(buffer, start, bytes / 8);
    this.words = new Int32Array(buffer, start, bytes / 4);
    this.bytes = new Uint8Array(buffer, start, bytes);
    this.count = new Int32Array(buffer, layout.rankAt(rank) + 4 * RANK.records, 1);
  }

  private label(text: string): Uint8Array {
    let bytes = this.labels.get(text);
    if (!bytes) {
      bytes = new Uint8Array(LABEL_BYTES);
      new TextEncoder().encodeInto(text, bytes);
      this.labels.set(text, bytes);
    }
    return bytes;
  }

  start(call: CallDescriptor, nowMs: number): void {
    this.at = this.count[0] % RECORDS;
    const {at, floats, words} = this;
    floats[at * 8 + LINE.startedAt] = nowMs;
    floats[at * 8 + LINE.length] = call.length;
    words[at * 16 + LINE.sequence] = call.sequence;
    words[at * 16 + LINE.operation] = OPERATIONS.indexOf(call.operation);
    words[at * 16 + LINE.peer] = call.peer ?? NO_PEER;
    words[at * 16 + LINE.type] = TYPES.indexOf(call.type);
    words[at * 16 + LINE.state] = STARTED;
    this.bytes.set(this.label(call.label), at * RECORD_BYTES + LINE.labelAt);
    this.count[0] += 1;
  }

  finish(nowMs: number): void {
    this.floats[this.at * 8 + LINE.finishedAt] = nowMs;
    this.words[this.at * 16 + LINE.state] = FINISHED;
  }

  /** Oldest first. */
  read(): FlightRecord[] {
    const total = this.count[0];
    const records: FlightRecord[] = [];
    for (let i = Math.max(0, total - RECORDS); i < total; i++) {
      const at = i % RECORDS;
      const label = this.bytes.subarray(at * RECORD_BYTES + LINE.labelAt, (at + 1) * RECORD_BYTES);
      const finished = this.words[at * 16 + LINE.state] === FINISHED;
      records.push({
        rank: this.rank,
        sequence: this.words[at * 16 + LINE.sequence],
        operation: OPERATIONS[this.words[at * 16 + LINE.operation]],
        label: new TextDecoder().decode(label.slice()).replace(/\0+$/, ''),
        peer: this.words[at * 16 + LINE.peer] === NO_PEER ? null : this.words[at * 16 + LINE.peer],
        length: this.floats[at * 8 + LINE.length],
        type: TYPES[this.words[at * 16 + LINE.type]],
        state: finished ? 'finished' : 'started',
        startedAt: this.floats[at * 8 + LINE.startedAt],
        finishedAt: finished ? this.floats[at * 8 + LINE.finishedAt] : null,
      });
    }
    return records;
  }
}

/** `allReduce 'gradients' number 17 of 1,863,690 float32`. */
export function callWords({
  operation,
  label,
  peer,
  sequence,
  length,
  type,
}: Pick<FlightRecord, 'operation' | 'label' | 'peer' | 'sequence' | 'length' | 'type'>): string {
  const way = peer === null ? '' : operation === 'send' ? ` to rank ${peer}` : ` from rank ${peer}`;
  return `${operation} '${label}'${way} number ${sequence} of ${length.toLocaleString('en-US')} ${type}`;
}
