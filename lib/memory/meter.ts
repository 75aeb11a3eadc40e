/**
 * Counts the bytes of distinct live tensor buffers and their peak, and refuses an
 * operation before it runs if it would pass a limit.
 *
 * `tf.memory()` counts tensors, including those that share a buffer; this counts buffers. Scratch
 * memory of kernels is not counted.
 */
import * as tf from '@tensorflow/tfjs';
import {ManyHandsError, shown} from '../base/errors';
import {stepContext} from '../base/stepContext';
import type {Call, Counter, OperationRecord, Output, SizedOutput} from './call';
import {byCategory, categoryIndex, type ByCategory, type Category} from './categories';
import {FLOAT, tensorBytes} from './elementTypes';
import {hookJavaScript} from './javascriptHooks';
import {Ledger, type NamedBuffer} from './ledger';
import {mayShare, newBytes, outputsOf} from './outputShapes';
import {MemoryLimitError} from './refusal';
import {hookTensorFlow} from './tensorflowHooks';

/** The peak: its bytes, their categories, and what made it. */
interface Peak {
  bytes: number;
  byCategory: ByCategory;
  /** The step, from 0; null before the first. */
  step: number | null;
  /** The operation that made it, and its layer if known. */
  op: string;
  layer: string | null;
  /** The largest buffers that were alive. */
  largest: NamedBuffer[];
}

/** Counts memory from `startMeter` to `stop`. */
export interface MemoryMeter {
  /** Bytes of distinct live buffers. */
  readonly liveBytes: number;
  /** The most bytes alive at once since the start or the last `resetPeak`. */
  readonly peakBytes: number;
  /** Null before the first tensor. */
  readonly peak: Peak | null;
  /** The most bytes that parameters, gradients and the optimizer's state held together. */
  readonly peakStateBytes: number;
  /** The limit in bytes; undefined for none. May be changed at any time. */
  limitBytes: number | undefined;
  /** The `count` largest live buffers. */
  largest(count: number): NamedBuffer[];
  /** Called after every operation, unless null. */
  observer: ((record: OperationRecord) => void) | null;
  resetPeak(): void;
  /** Removes the hooks from the engine. */
  stop(): void;
}

class MeterCounter implements Counter {
  readonly ledger = new Ledger();
  limitBytes: number | undefined;
  observer: MemoryMeter['observer'] = null;
  step: number | null = null;
  peak: Peak | null = null;

  constructor() {
    this.ledger.onPeak = () => {
      const {peakBytes: bytes, peakLive, peakMaker} = this.ledger;
      if (peakMaker)
        this.peak = {
          bytes,
          byCategory: byCategory(peakLive),
          step: this.step,
          ...peakMaker,
          largest: this.largest(LARGEST),
        };
    };
  }

  layer(): string | null {
    return stepContext()?.layer ?? null;
  }

  needsPrediction(op: string): boolean {
    return this.limitBytes !== undefined || this.observer !== null || mayShare(op);
  }

  predict(call: Call): Output[] | null {
    try {
      return outputsOf(call);
    } catch {
      // Wrong inputs: the engine's own error says more.
      return null;
    }
  }

  admit(op: string, bytes: number, outputs: () => SizedOutput[]): void {
    if (
      this.limitBytes === undefined ||
      bytes === 0 ||
      this.ledger.liveBytes + bytes <= this.limitBytes
    )
      return;
    this.refuse(op, bytes, this.ledger.liveBytes, outputs(), false);
  }

  admitPredicted(op: string, outputs: readonly Output[]): void {
    this.admit(op, newBytes(outputs), () => outputs.filter((output) => output.from === undefined));
  }

  refuse(
    op: string,
    bytes: number,
    liveBytes: number,
    outputs: SizedOutput[],
    afterwards: boolean,
  ): never {
    throw new MemoryLimitError({
      op,
      layer: this.layer(),
      outputs,
      bytes,
      liveBytes,
      limitBytes: this.limitBytes ?? Infinity,
      afterwards,
      byCategory: byCategory(this.ledger.live),
      largest: this.largest(LARGEST),
    });
  }

  largest(count: number): NamedBuffer[] {
    return this.ledger.largest(count, Object.values(tf.engine().state.registeredVariables));
  }

  meet(tensor: object, shape: readonly number[], type: number): void {
    if (!this.ledger.get(tensor))
      this.ledger.add(tensor, tensorBytes(shape, type), shape, type, 'earlier', null);
  }
}

const LARGEST = 5;
/** The meter of this process. */
let running: {meter: MemoryMeter; counter: MeterCounter} | null = null;

/**
 * Starts to count on the current engine; a process can have one meter. Existing variables are
 * counted at once, other existing tensors only when an operation first reads them, so start the
 * meter early. Throws INTERNAL if a meter is running, and ENGINE on an engine that cannot be
 * measured.
 */
export function startMeter({limitBytes}: {limitBytes?: number} = {}): MemoryMeter {
  if (running)
    throw new ManyHandsError(
      'INTERNAL',
      'a memory meter is already running in this process: call its stop() before you start another.',
    );
  const backend = tf.getBackend();
  if (backend !== 'tensorflow' && backend !== 'cpu') {
    throw new ManyHandsError(
      'ENGINE',
      `memory is counted on the engines 'tensorflow' and 'cpu'; this process uses ${shown(backend)}.`,
    );
  }
  const counter = new MeterCounter();
  counter.limitBytes = limitBytes;
  const unhook = backend === 'tensorflow' ? hookTensorFlow(counter) : hookJavaScript(counter);
  const {ledger} = counter;
  const meter: MemoryMeter = {
    get liveBytes() {
      return ledger.liveBytes;
    },
    get peakBytes() {
      return ledger.peakBytes;
    },
    get peak() {
      ledger.settlePeak();
      return counter.peak;
    },
    get peakStateBytes() {
      return ledger.peakState;
    },
    get limitBytes() {
      return counter.limitBytes;
    },
    set limitBytes(bytes) {
      counter.limitBytes = bytes;
    },
    get observer() {
      return counter.observer;
    },
    set observer(observer) {
      counter.observer = observer;
    },
    largest: (count) => counter.largest(count),
    resetPeak: () => {
      ledger.resetPeak();
      counter.peak = null;
    },
    stop() {
      ledger.settlePeak();
      unhook();
      ledger.clear();
      running = null;
    },
  };
  running = {meter, counter};
  return meter;
}

/** Sets the category of a tensor's memory, if a meter is running. */
export function tagMemory(tensor: tf.Tensor | null | undefined, category: Category): void {
  if (tensor) running?.counter.ledger.tag(tensor.dataId, categoryIndex(category));
}

/** Runs `run` with `category` as the category of new buffers. */
export function withMemoryFor<T>(category: Category, run: () => T): T {
  if (!running) return run();
  const {ledger} = running.counter;
  const before = ledger.category;
  ledger.category = categoryIndex(category);
  try {
    return run();
  } finally {
    ledger.category = before;
  }
}

/**
 * Counts an array that the program itself holds; tensors that are views of it add nothing. Returns
 * a function that ends the count. Throws MEMORY_LIMIT.
 */
export function holdArray(values: ArrayBufferView, category: Category): () => void {
  if (!running || values.byteLength === 0) return () => {};
  const {counter} = running;
  const holder = {};
  const growth = counter.ledger.growthOf(values, false);
  counter.admit('data', growth, () => [{shape: [values.byteLength / 4], type: FLOAT}]);
  withMemoryFor(category, () =>
    counter.ledger.addView(holder, values, false, [values.byteLength / 4], FLOAT, 'data', null),
  );
  return () => counter.ledger.release(holder);
}

/** Tells the meter the current step, for the report of the peak. */
export function noteStep(step: number): void {
  if (running) running.counter.step = step;
}

/** Whether two tensors share a buffer, as far as the running meter knows. */
export function sharesBuffer(a: tf.Tensor, b: tf.Tensor): boolean {
  if (a.dataId === b.dataId) return true;
  const first = running?.counter.ledger.get(a.dataId);
  const second = running?.counter.ledger.get(b.dataId);
  return (
    first !== undefined &&
    second !== undefined &&
    (first === second || (first.view !== null && first.view === second.view))
  );
}

/** Calls `run` with the running meter, without its limit, or with a meter of its own. */
export function withMeter<T>(run: (meter: MemoryMeter) => T): T {
  const before = running?.meter;
  const meter = before ?? startMeter();
  const limit = meter.limitBytes;
  meter.limitBytes = undefined;
  try {
    return run(meter);
  } finally {
    meter.limitBytes = limit;
    if (!before) meter.stop();
  }
}
