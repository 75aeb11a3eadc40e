/**
 * Calls fit's callbacks in the caller's process, once for all ranks, while workers train.
 */
import * as tf from '@tensorflow/tfjs';
import {ManyHandsError, shown, withCode} from '../base/errors';
import {innerModel, setStopTraining, stopsTraining} from '../model/tfjsInternals';
import type {CallbackName, Logs} from '../job/protocol';
import type {CheckedOptions} from '../config/checkOptions';
import type {Callbacks} from '../config/options';

interface CallbackLike {
  setModel(model: tf.LayersModel): void;
  setParams(params: Record<string, unknown>): void;
  onTrainBegin(logs?: Logs): Promise<void>;
  onTrainEnd(logs?: Logs): Promise<void>;
  onEpochBegin(epoch: number, logs?: Logs): Promise<void>;
  onEpochEnd(epoch: number, logs?: Logs): Promise<void>;
  onBatchBegin(batch: number, logs?: Logs): Promise<void>;
  onBatchEnd(batch: number, logs?: Logs): Promise<void>;
}

type MethodName = 'onEpochBegin' | 'onEpochEnd' | 'onBatchBegin' | 'onBatchEnd';
const METHODS: Record<CallbackName, MethodName> = {
  epochBegin: 'onEpochBegin',
  epochEnd: 'onEpochEnd',
  batchBegin: 'onBatchBegin',
  batchEnd: 'onBatchEnd',
};
const NAMES = ['onTrainBegin', 'onTrainEnd', ...Object.values(METHODS), 'onYield'];
/** Further fields of tfjs's CustomCallbackArgs: the clock and the pause of `onYield`. */
const FIELDS = ['nowFunc', 'nextFrameFunc'];

const isCallback = (value: object): value is CallbackLike =>
  typeof (value as Partial<CallbackLike>).setModel === 'function';

function asCallback(
  value: tf.CustomCallbackArgs | tf.CustomCallback,
  yieldEvery: CheckedOptions['yieldEvery'],
): {
  callback: CallbackLike;
  waits: CallbackName[];
} {
  if (value === null || typeof value !== 'object')
    throw new ManyHandsError(
      'BAD_OPTION',
      `callbacks must be objects with functions such as onEpochEnd; one is ${shown(value)}.`,
    );
  const names = Object.keys(METHODS) as CallbackName[];
  if (isCallback(value))
    return {
      callback: value,
      waits: names.filter((name) => overrides(value, METHODS[name])),
    };
  for (const name of Object.keys(value)) {
    if (!NAMES.includes(name) && !FIELDS.includes(name))
      throw new ManyHandsError(
        'BAD_OPTION',
        `a callback has the unknown method '${name}'. The methods are ${NAMES.join(', ')}.`,
      );
  }
  for (const [name, method] of Object.entries(value))
    if (method !== undefined && method !== null && typeof method !== 'function')
      throw new ManyHandsError(
        'BAD_OPTION',
        `the callback's ${name} must be a function; it is ${shown(method)}.`,
      );
  const args = value as tf.CustomCallbackArgs;
  const waits = names.filter((name) => (args[METHODS[name]] ?? undefined) !== undefined);
  // tfjs calls onYield from its own onBatchEnd, at most every `yieldEvery` milliseconds, with the
  // epoch that its own onEpochBegin noted.
  if (args.onYield)
    for (const name of ['epochBegin', 'batchEnd'] as const)
      if (!waits.includes(name)) waits.push(name);
  try {
    return {callback: new tf.CustomCallback(args, yieldEvery) as CallbackLike, waits};
  } catch (error) {
    throw withCode(error, 'BAD_OPTION', 'callbacks');
  }
}

/** Whether a callback has a method of its own: nobody waits for tfjs's empty method. */
function overrides(callback: object, method: MethodName): boolean {
  if (callback instanceof tf.CustomCallback)
    return (
      Reflect.get(
        callback,
        method.replace(/^on(.)/, (_, first: string) => first.toLowerCase()),
      ) !== undefined
    );
  return Reflect.get(callback, method) !== Reflect.get(tf.Callback.prototype, method);
}

function toList(callbacks: Callbacks | undefined) {
  if (callbacks === undefined) return [];
  return Array.isArray(callbacks) ? callbacks : [callbacks];
}

/** All callbacks of a run. Throws BAD_OPTION for a value that is not a callback. */
export class CallbackList {
  /** The events at which the workers must wait for the callbacks. */
  readonly waits: CallbackName[];
  /** How many callbacks run at the moment. */
  private running = 0;
  private readonly callbacks: CallbackLike[];
  /** Like fit, a batch has one object of logs, at its begin and at its end. */
  private batchLogs: Logs = {};
  /** fit looks at the flag of this model; a Sequential gets another one when it is compiled again. */
  private readonly inner: tf.LayersModel;

  constructor(
    {callbacks, yieldEvery}: Pick<CheckedOptions, 'callbacks' | 'yieldEvery'>,
    private readonly model: tf.LayersModel,
  ) {
    const list = toList(callbacks).map((callback) => asCallback(callback, yieldEvery));
    this.callbacks = list.map(({callback}) => callback);
    this.waits = [...new Set(list.flatMap(({waits}) => waits))];
    this.inner = innerModel(model);
  }

  /** Whether a callback runs at the moment. */
  get isRunning(): boolean {
    return this.running > 0;
  }

  private async each(call: (callback: CallbackLike) => Promise<void>): Promise<void> {
    this.running += 1;
    try {
      for (const callback of this.callbacks) await call(callback);
    } finally {
      this.running -= 1;
    }
  }

  async begin(params: Record<string, unknown>): Promise<void> {
    for (const callback of this.callbacks) {
      callback.setParams(params);
      callback.setModel(this.model);
    }
    await this.each((callback) => callback.onTrainBegin({}));
    setStopTraining(this.inner, false);
  }

  /** Calls `name` on every callback; they share `logs`, as in fit. Returns fit's flag to stop. */
  async call(name: CallbackName, index: number, logs: Logs): Promise<boolean> {
    const shared = name === 'batchEnd' ? Object.assign(this.batchLogs, logs) : logs;
    this.batchLogs = name === 'batchBegin' ? logs : {};
    await this.each((callback) => callback[METHODS[name]](index, shared));
    return stopsTraining(this.inner);
  }

  async end(): Promise<void> {
    await this.each((callback) => callback.onTrainEnd({}));
  }
}
