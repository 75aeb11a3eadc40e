/**
 * The flight recorder: the last thousand calls of each rank. They are in shared memory, so they can
 * be read after the rank was killed.
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
const FLOATS = RECORD_BYTES / 8;
const WORDS = RECORD_BYTES / 4;
/** Offsets in a line, in Float64 elements. */
const FLOAT = {startedAt: 0, finishedAt: 1, length: 4};
/** Offsets in a line, in Int32 elements. */
const WORD = {sequence: 4, operation: 5, type: 6, state: 7, peer: 10};
/** The label's offset in a line, in bytes. */
const LABEL_AT = 44;
const NO_PEER = -1;

export class FlightRecorder {
  private readonly floats: Float64Array;
  private readonly words: Int32Array;
  private readonly bytes: Uint8Array;
  private readonly count: Int32Array;
  private readonly labels = new Map<string, Uint8Array>();
  /** The line of the current call. */
  private line = 0;

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
    this.line = this.count[0] % RECORDS;
    const {floats, words} = this;
    const float = this.line * FLOATS;
    const word = this.line * WORDS;
    floats[float + FLOAT.startedAt] = nowMs;
    floats[float + FLOAT.length] = call.length;
    words[word + WORD.sequence] = call.sequence;
    words[word + WORD.operation] = OPERATIONS.indexOf(call.operation);
    words[word + WORD.peer] = call.peer ?? NO_PEER;
    words[word + WORD.type] = TYPES.indexOf(call.type);
    words[word + WORD.state] = STARTED;
    this.bytes.set(this.label(call.label), this.line * RECORD_BYTES + LABEL_AT);
    this.count[0] += 1;
  }

  finish(nowMs: number): void {
    this.floats[this.line * FLOATS + FLOAT.finishedAt] = nowMs;
    this.words[this.line * WORDS + WORD.state] = FINISHED;
  }

  /** All recorded calls, the oldest first. */
  read(): FlightRecord[] {
    const total = this.count[0];
    const records: FlightRecord[] = [];
    for (let i = Math.max(0, total - RECORDS); i < total; i++)
      records.push(this.record(i % RECORDS));
    return records;
  }

  private record(line: number): FlightRecord {
    const label = this.bytes.subarray(line * RECORD_BYTES + LABEL_AT, (line + 1) * RECORD_BYTES);
    const float = (field: number) => this.floats[line * FLOATS + field];
    const word = (field: number) => this.words[line * WORDS + field];
    const finished = word(WORD.state) === FINISHED;
    return {
      rank: this.rank,
      sequence: word(WORD.sequence),
      operation: OPERATIONS[word(WORD.operation)],
      label: new TextDecoder().decode(label.slice()).replace(/\0+$/, ''),
      peer: word(WORD.peer) === NO_PEER ? null : word(WORD.peer),
      length: float(FLOAT.length),
      type: TYPES[word(WORD.type)],
      state: finished ? 'finished' : 'started',
      startedAt: float(FLOAT.startedAt),
      finishedAt: finished ? float(FLOAT.finishedAt) : null,
    };
  }
}

/** A call in words: `allReduce 'gradients' number 17 of 1,863,690 float32`. */
export function callWords({
  operation,
  label,
  peer,
  sequence,
  length,
  type,
}: Pick<FlightRecord, 'operation' | 'label' | 'peer' | 'sequence' | 'length' | 'type'>): string {
  const direction = operation === 'send' ? 'to' : 'from';
  const other = peer === null ? '' : ` ${direction} rank ${peer}`;
  return `${operation} '${label}'${other} number ${sequence} of ${length.toLocaleString('en-US')} ${type}`;
}
