/**
 * Hooks the meter into tfjs's JavaScript engine: wraps its kernels in tfjs's registry,
 * and the backend methods that store values.
 *
 * It counts the typed arrays of live tensors. JavaScript frees the memory of others only when the
 * garbage collector runs.
 */
import * as tf from '@tensorflow/tfjs';
import type {Counter, OperationRecord, Output} from './call';
import {tensorBytes, typeNumber} from './elementTypes';
import {javascriptOutputs} from './javascriptCalls';

interface Entry {
  values?: ArrayLike<number>;
  dtype: string;
  complexTensorInfos?: {real: tf.TensorInfo; imag: tf.TensorInfo};
}

/** The part of tfjs's JavaScript backend that is wrapped (its dist/backend_cpu.js). */
interface Backend {
  data: {get(id: object): Entry; has(id: object): boolean};
  write(values: unknown, shape: number[], dtype: string): object;
  move(id: object, values: unknown, shape: number[], dtype: string, references: number): void;
  disposeData(id: object, force?: boolean): boolean;
}

type KernelArguments = Parameters<tf.KernelConfig['kernelFunc']>[0];

/** The running kernel, and the tensors written since it began. */
interface Running {
  op: string;
  written: object[];
}

/** Wraps the current engine; returns a function that removes the wrapping. */
export function hookJavaScript(counter: Counter): () => void {
  const backend = tf.backend() as unknown as Backend;
  const {ledger} = counter;
  let running: Running | null = null;
  const original = {write: backend.write, move: backend.move, disposeData: backend.disposeData};

  /**
   * Records values that a kernel made or that the program supplied. For a kernel's values the whole
   * array counts, because slices share it.
   */
  function hold(values: unknown, shape: number[], dtype: string, keep: () => object): object {
    const type = typeNumber(dtype);
    const ownBuffer = running !== null;
    // A complex tensor has no values of its own; its two parts are recorded separately.
    let bytes = values ? tensorBytes(shape, type) : 0;
    if (ArrayBuffer.isView(values)) bytes = ledger.growthOf(values, ownBuffer);
    counter.admit(running?.op ?? 'data', bytes, () => [{shape, type}]);
    const id = keep();
    const op = running?.op ?? 'data';
    if (ArrayBuffer.isView(values))
      ledger.addView(id, values, ownBuffer, shape, type, op, counter.layer());
    else ledger.add(id, bytes, shape, type, op, counter.layer());
    running?.written.push(id);
    return id;
  }

  backend.write = (values, shape, dtype) =>
    hold(values, shape, dtype, () => original.write.call(backend, values, shape, dtype));
  backend.move = (id, values, shape, dtype, references) => {
    hold(values, shape, dtype, () => {
      original.move.call(backend, id, values, shape, dtype, references);
      return id;
    });
  };
  backend.disposeData = (id, force) => {
    const gone = original.disposeData.call(backend, id, force);
    if (gone && !backend.data.has(id)) ledger.release(id);
    return gone;
  };

  function meet(tensor: tf.TensorInfo): void {
    if (ledger.get(tensor.dataId) || !backend.data.has(tensor.dataId)) return;
    counter.meet(tensor.dataId, tensor.shape, typeNumber(tensor.dtype));
  }

  /** Releases what a kernel wrote but neither returned nor disposed of: nothing refers to it. */
  function forgetLeftovers(written: object[], outputs: tf.TensorInfo[]): void {
    if (written.length <= outputs.length) return;
    const kept = new Set<object>();
    for (const {dataId} of outputs) {
      kept.add(dataId);
      const parts = backend.data.get(dataId)?.complexTensorInfos;
      if (parts) kept.add(parts.real.dataId).add(parts.imag.dataId);
    }
    for (const id of written) if (!kept.has(id)) ledger.release(id);
  }

  function run(
    kernel: string,
    func: tf.KernelConfig['kernelFunc'],
    args: KernelArguments,
  ): ReturnType<tf.KernelConfig['kernelFunc']> {
    if (running) return func(args);
    const inputs = args.inputs as Record<string, tf.TensorInfo>;
    // An input may be missing, and may be a list, such as RaggedGather's splits.
    for (const input of Object.values(inputs).flat()) if (input) meet(input);
    let predicted: Output[] | null = null;
    try {
      predicted = javascriptOutputs(kernel, inputs, args.attrs as Record<string, unknown>);
    } catch {
      // The rule cannot read the inputs: the kernel's own error says what is wrong with them.
    }
    if (predicted) counter.admitPredicted(kernel, predicted);
    const liveBefore = ledger.liveBytes;
    const current: Running = {op: kernel, written: []};
    running = current;
    let result: ReturnType<tf.KernelConfig['kernelFunc']>;
    try {
      result = func(args);
    } catch (error) {
      for (const id of current.written) if (backend.data.has(id)) backend.disposeData(id, true);
      throw error;
    } finally {
      running = null;
    }
    const outputs = [result ?? []].flat();
    forgetLeftovers(current.written, outputs);
    if (counter.observer) {
      const record: OperationRecord = {
        op: kernel,
        layer: counter.layer(),
        predicted,
        liveBefore,
        liveBytes: ledger.liveBytes,
        outputs: outputs.map(({dataId, shape, dtype}) => {
          const buffer = ledger.get(dataId);
          return {
            shape,
            type: typeNumber(dtype),
            bytes: tensorBytes(shape, typeNumber(dtype)),
            shared: !buffer || !current.written.includes(dataId),
          };
        }),
      };
      counter.observer(record);
    }
    return result;
  }

  const kernels = tf
    .getKernelsForBackend('cpu')
    .map((config) => ({config, func: config.kernelFunc}));
  for (const {config, func} of kernels)
    config.kernelFunc = (args) => run(config.kernelName, func, args);

  for (const variable of Object.values(tf.engine().state.registeredVariables)) meet(variable);

  return () => {
    Object.assign(backend, original);
    for (const {config, func} of kernels) config.kernelFunc = func;
  };
}
