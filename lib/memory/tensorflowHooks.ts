/**
 * Worker side. Puts the meter between tfjs's kernels and TensorFlow: every operation passes through the backend's methods that are wrapped here.
 */
import * as tf from '@tensorflow/tfjs';
import type {Call, Output} from './call';
import {tensorBytes, typeNumber} from './elementTypes';
import type {Counter, OperationRecord} from './meter';

/** What the backend of tfjs-node keeps of a tensor; `values` until an operation first needs it as TensorFlow's own. */
interface Entry {
  shape: number[];
  dtype: number;
  values: ArrayLike<number> | null;
}

interface Attribute {
  name: string;
  value: unknown;
}

/** The part of tfjs-node's backend that is wrapped (its dist/nodejs_kernel_backend.js). */
interface Backend {
  tensorMap: {get(id: object): Entry; has(id: object): boolean};
  readSync(id: object): ArrayLike<number>;
  move(id: object, values: unknown, shape: number[], dtype: string, references: number): void;
  disposeData(id: object, force?: boolean): boolean;
  createOutputTensor(metadata: {shape: number[]; dtype: number}): tf.Tensor;
  executeSingleOutput(name: string, attributes: Attribute[], inputs: tf.Tensor[]): tf.Tensor;
  executeMultipleOutputs(name: string, attributes: Attribute[], inputs: tf.Tensor[], outputs: number): tf.Tensor[];
}

class TensorFlowCall implements Call {
  readonly count: number;
  constructor(readonly op: string, private readonly attributes: readonly Attribute[], private readonly inputs: readonly tf.Tensor[], private readonly backend: Backend) {
    this.count = inputs.length;
  }
  shape(input: number): readonly number[] {
    return this.inputs[input].shape;
  }
  type(input: number): number {
    return this.backend.tensorMap.get(this.inputs[input].dataId).dtype;
  }
  values(input: number): ArrayLike<number> {
    const id = this.inputs[input].dataId;
    return this.backend.tensorMap.get(id).values ?? this.backend.readSync(id);
  }
  attribute(name: string): unknown {
    for (const attribute of this.attributes) if (attribute.name === name) return attribute.value;
    return undefined;
  }
}

/** The operation that runs now, and how many of its outputs have come. */
interface Running {
  op: string;
  inputs: readonly tf.Tensor[];
  foretold: Output[] | null;
  next: number;
  record: OperationRecord | null;
}

/** Wraps the backend in force; returns what takes the wrapping off. */
export function hookTensorFlow(counter: Counter): () => void {
  const backend = tf.backend() as unknown as Backend;
  const {ledger} = counter;
  const state = tf.engine().state;
  let running: Running | null = null;

  const original = {
    move: backend.move,
    disposeData: backend.disposeData,
    createOutputTensor: backend.createOutputTensor,
    executeSingleOutput: backend.executeSingleOutput,
    executeMultipleOutputs: backend.executeMultipleOutputs,
  };

  function meet(input: tf.Tensor): void {
    // An Int64Scalar, which only summaries use, is no tensor and is not in the map.
    if (ledger.has(input.dataId) || !input.dataId || !backend.tensorMap.has(input.dataId)) return;
    const {shape, dtype} = backend.tensorMap.get(input.dataId);
    counter.meet(input.dataId, shape, dtype);
  }

  function execute<T>(op: string, attributes: Attribute[], inputs: tf.Tensor[], run: () => T): T {
    for (const input of inputs) meet(input);
    const foretold = counter.foretell(new TensorFlowCall(op, attributes, inputs, backend));
    if (foretold) counter.admitForetold(op, foretold);
    const record: OperationRecord | null = counter.observer && {op, layer: counter.layer(), foretold, outputs: [], liveBefore: ledger.liveBytes, liveBytes: 0};
    const before = ledger.liveBytes;
    running = {op, inputs, foretold, next: 0, record};
    let result: T;
    try {
      result = run();
    } finally {
      running = null;
    }
    if (record) {
      record.liveBytes = ledger.liveBytes;
      counter.observer?.(record);
    }
    if (!foretold && counter.limitBytes !== undefined && ledger.liveBytes > counter.limitBytes && ledger.liveBytes > before) {
      const outputs = ([] as tf.Tensor[]).concat(result as tf.Tensor | tf.Tensor[]);
      const shapes = outputs.map((output) => ({shape: output.shape, type: backend.tensorMap.get(output.dataId).dtype}));
      const bytes = ledger.liveBytes - before;
      for (const output of outputs) output.dispose();
      counter.refuse(op, bytes, before, shapes, true);
    }
    return result;
  }

  backend.executeSingleOutput = (op, attributes, inputs) =>
    execute(op, attributes, inputs, () => original.executeSingleOutput.call(backend, op, attributes, inputs));
  backend.executeMultipleOutputs = (op, attributes, inputs, outputs) =>
    execute(op, attributes, inputs, () => original.executeMultipleOutputs.call(backend, op, attributes, inputs, outputs));

  backend.createOutputTensor = (metadata) => {
    const tensor = original.createOutputTensor.call(backend, metadata);
    const from = running?.foretold?.[running.next++]?.from;
    const owner = from === undefined || !running ? undefined : ledger.get(running.inputs[from].dataId);
    const bytes = tensorBytes(metadata.shape, metadata.dtype);
    if (owner) ledger.share(tensor.dataId, owner);
    else ledger.add(tensor.dataId, bytes, metadata.shape, metadata.dtype, running?.op ?? 'a saved model', counter.layer());
    running?.record?.outputs.push({shape: metadata.shape, type: metadata.dtype, bytes, shared: owner !== undefined});
    return tensor;
  };

  backend.move = (id, values, shape, dtype, references) => {
    const type = typeNumber(dtype);
    const bytes = ArrayBuffer.isView(values) ? ledger.growthOf(values, false) : tensorBytes(shape, type);
    // A kernel's own small arguments pass: refused halfway, it would leave those that it has made already.
    if (state.kernelDepth === 0) counter.admit('data', bytes, () => [{shape, type}]);
    original.move.call(backend, id, values, shape, dtype, references);
    if (ArrayBuffer.isView(values)) ledger.addView(id, values, false, shape, type, 'data', counter.layer());
    else ledger.add(id, bytes, shape, type, 'data', counter.layer());
  };

  backend.disposeData = (id, force) => {
    const gone = original.disposeData.call(backend, id, force);
    if (gone && !backend.tensorMap.has(id)) ledger.release(id);
    return gone;
  };

  for (const variable of Object.values(state.registeredVariables)) meet(variable);

  return () => Object.assign(backend, original);
}
