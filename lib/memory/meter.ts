/**
 * Counts the bytes of distinct tensor buffers alive, holds their peak, and refuses
 * what would pass a limit before it runs.
 *
 * `tf.memory()` counts every tensor, also those that share a buffer; this counts buffers. Kernel
 * scratch is outside of it.
 */
import * as tf from '@tensorflow/tfjs';
import {ManyHandsError, shown} from '../base/errors';
import {stepContext} from '../base/stepContext';
import type {Call, Counter, OperationRecord, Output, SizedOutput} from './call';
import {byCategory, categoryIndex, type ByCategory, type Category} from './categories';
import {FLOAT, tensorBytes} from './elementTypes';
import {hookJavaScript} from './javascriptHooks';
import {Ledger, NamedBuffer} from './ledger';
import {mayShare, newBytes, outputsOf} from './outputShapes';
import {MemoryLimitError} from './refusal';
import {hookTensorFlow} from './tensorflowHooks';

/** The peak: bytes by what they were for, and where it was. */
export interface Peak {
  bytes: number;
  byCategory: ByCategory;
  /** The step, from 0; null before the first. */
  step: number | null;
  /** What made it: the operation and, where known, the layer. */
  op: string;
  layer: string | null;
  /** The largest buffers alive at it. */
  largest: NamedBuffer[];
}

/** Counts from `startMeter` to `stop`. */
export interface MemoryMeter {
  /** Bytes of distinct buffers alive now. */
  readonly liveBytes: number;
  /** The most that was alive at once since the start or the last `resetPeak`. */
  readonly peakBytes: number;
  /** Null before the first tensor. */
  readonly peak: Peak | null;
  /** The most that parameters, gradients and the optimizer's state held together. */
  readonly peakStateBytes: number;
  /** No more than this is given; undefined for no limit. May be changed at any time. */
  limitBytes: number | undefined;
  /** The `count` largest buffers alive. */
  largest(count: number): NamedBuffer[];
  /** Called after every operation; null for nobody. */
  observer: ((record: OperationRecord) => void) | null;
  resetPeak(): void;
  /** Takes the count off the engine again. */
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
      const {peakBytes: bytes, peakLive, peakBuffer} = this.ledger;
      if (peakBuffer)
        this.peak = {
          bytes,
          byCategory: byCategory(peakLive),
          step: this.step,
          op: peakBuffer.op,
          layer: peakBuffer.layer,
          largest: this.largest(LARGEST),
        };
    };
  }

  layer(): string | null {
    return stepContext()?.layer ?? null;
  }

  /**
   * False where nobody asks what an operation that makes its own outputs will make: there is no
   * limit, and no observer.
   */
  needsPrediction(op: string): boolean {
    return this.limitBytes !== undefined || this.observer !== null || mayShare(op);
  }

  /**
   * The rule's word on `call`; null where there is none, or where its inputs are wrong, which the
   * engine will say better.
   */
  predict(call: Call): Output[] | null {
    try {
      return outputsOf(call);
    } catch {
      return null;
    }
  }

  /** Refuses when `bytes` more would pass the limit. */
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

  /** A tensor that was there before the count began: it counts from when it is first met. */
  meet(tensor: object, shape: readonly number[], type: number): void {
    if (!this.ledger.get(tensor))
      this.ledger.add(tensor, tensorBytes(shape, type), shape, type, 'earlier', null);
  }
}

const LARGEST = 5;
/** The one of this process. */
let running: {meter: MemoryMeter; counter: MeterCounter} | null = null;

/**
 * Starts to count on the engine that is in force. Variables that exist are counted at once, other
 * tensors made before when an operation first reads them: start the meter first. One meter in a
 * process.
 */
export function startMeter({limitBytes}: {limitBytes?: number} = {}): MemoryMeter {
  if (running)
    throw new ManyHandsError(
      'INTERNAL',
      'a memory meter counts already in this process: stop() it before another starts.',
    );
  const backend = tf.getBackend();
  if (backend !== 'tensorflow' && backend !== 'cpu') {
    throw new ManyHandsError(
      'ENGINE',
      `memory is counted on the engines 'tensorflow' and 'cpu'; this process runs ${shown(backend)}.`,
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
      unhook();
      running = null;
    },
  };
  running = {meter, counter};
  return meter;
}

/** Says what `tensor`'s memory is for, to the meter that runs, if one does. */
export function tagMemory(tensor: tf.Tensor | null | undefined, category: Category): void {
  if (tensor) running?.counter.ledger.tag(tensor.dataId, categoryIndex(category));
}

/** What `run` makes is for `category`, unless it is tagged otherwise. */
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
 * Counts an array that the program itself holds, as long as it does; tensors that come to lie over
 * it add nothing. Returns what ends the count.
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

/** The meter's word for the peak's place. */
export function noteStep(step: number): void {
  if (running) running.counter.step = step;
}

/** Whether two tensors lie over one buffer, as far as the meter that runs knows. */
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

/** Measures with the meter that runs, its limit lifted meanwhile, or with one of its own. */
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
