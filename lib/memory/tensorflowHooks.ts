/**
 * Hooks the meter into tfjs's TensorFlow backend: every operation passes through the
 * backend methods that are wrapped here.
 */
import * as tf from '@tensorflow/tfjs';
import type {Call, Counter, OperationRecord, Output} from './call';
import {tensorBytes, typeNumber} from './elementTypes';

/**
 * What the backend of tfjs-node keeps of a tensor. It has `values` until an operation first needs
 * the tensor in TensorFlow.
 */
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
  executeMultipleOutputs(
    name: string,
    attributes: Attribute[],
    inputs: tf.Tensor[],
    outputs: number,
  ): tf.Tensor[];
}

class TensorFlowCall implements Call {
  readonly count: number;
  constructor(
    readonly op: string,
    private readonly attributes: readonly Attribute[],
    private readonly inputs: readonly tf.Tensor[],
    private readonly backend: Backend,
  ) {
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

/** Wraps the current backend; returns a function that removes the wrapping. */
export function hookTensorFlow(counter: Counter): () => void {
  const backend = tf.backend() as unknown as Backend;
  const {ledger} = counter;
  const state = tf.engine().state;
  // The operation that is running, and how many of its outputs have been made.
  let operation: string | null = null;
  let sources: readonly tf.Tensor[] = [];
  let predicted: readonly Output[] | null = null;
  let arrived = 0;
  let record: OperationRecord | null = null;

  const original = {
    move: backend.move,
    disposeData: backend.disposeData,
    createOutputTensor: backend.createOutputTensor,
    executeSingleOutput: backend.executeSingleOutput,
    executeMultipleOutputs: backend.executeMultipleOutputs,
  };

  function meet(input: tf.Tensor): void {
    // An Int64Scalar, which only summaries use, is not a tensor and not in the map.
    if (!input.dataId || ledger.get(input.dataId) || !backend.tensorMap.has(input.dataId)) return;
    const {shape, dtype} = backend.tensorMap.get(input.dataId);
    counter.meet(input.dataId, shape, dtype);
  }

  /** Before an operation: predicts its outputs, and throws if they would pass the limit. */
  function begin(op: string, attributes: Attribute[], inputs: tf.Tensor[]): void {
    for (let i = 0; i < inputs.length; i++) meet(inputs[i]);
    predicted = counter.needsPrediction(op)
      ? counter.predict(new TensorFlowCall(op, attributes, inputs, backend))
      : null;
    if (predicted && counter.limitBytes !== undefined) counter.admitPredicted(op, predicted);
    if (counter.observer)
      record = {
        op,
        layer: counter.layer(),
        predicted,
        outputs: [],
        liveBefore: ledger.liveBytes,
        liveBytes: 0,
      };
    operation = op;
    sources = inputs;
    arrived = 0;
  }

  /** After an operation: throws if its outputs, which no rule predicted, have passed the limit. */
  function complete(op: string, before: number, outputs: tf.Tensor | tf.Tensor[]): void {
    if (record) {
      record.liveBytes = ledger.liveBytes;
      counter.observer?.(record);
    }
    if (
      predicted ||
      counter.limitBytes === undefined ||
      ledger.liveBytes <= Math.max(before, counter.limitBytes)
    )
      return;
    const made = Array.isArray(outputs) ? outputs : [outputs];
    const shapes = made.map((output) => ({
      shape: output.shape,
      type: backend.tensorMap.get(output.dataId).dtype,
    }));
    const bytes = ledger.liveBytes - before;
    for (const output of made) output.dispose();
    counter.refuse(op, bytes, before, shapes, true);
  }

  function end(): void {
    operation = null;
    sources = [];
    predicted = null;
    record = null;
  }

  backend.executeSingleOutput = (op, attributes, inputs) => {
    begin(op, attributes, inputs);
    try {
      const before = ledger.liveBytes;
      const output = original.executeSingleOutput.call(backend, op, attributes, inputs);
      complete(op, before, output);
      return output;
    } finally {
      end();
    }
  };
  backend.executeMultipleOutputs = (op, attributes, inputs, count) => {
    begin(op, attributes, inputs);
    try {
      const before = ledger.liveBytes;
      const outputs = original.executeMultipleOutputs.call(backend, op, attributes, inputs, count);
      complete(op, before, outputs);
      return outputs;
    } finally {
      end();
    }
  };

  backend.createOutputTensor = (metadata) => {
    const tensor = original.createOutputTensor.call(backend, metadata);
    const from = predicted?.[arrived++]?.from;
    const owner = from === undefined ? undefined : ledger.get(sources[from].dataId);
    const bytes = tensorBytes(metadata.shape, metadata.dtype);
    if (owner) ledger.share(tensor.dataId, owner);
    else
      ledger.add(
        tensor.dataId,
        bytes,
        metadata.shape,
        metadata.dtype,
        operation ?? 'a saved model',
        counter.layer(),
      );
    record?.outputs.push({
      shape: metadata.shape,
      type: metadata.dtype,
      bytes,
      shared: owner !== undefined,
    });
    return tensor;
  };

  backend.move = (id, values, shape, dtype, references) => {
    const type = typeNumber(dtype);
    if (state.kernelDepth > 0 || !ArrayBuffer.isView(values)) {
      // A kernel makes new arrays for its small arguments (axes, sizes). The limit does not apply
      // to them, because a kernel that is refused half-way would leak those it has already made.
      const bytes = tensorBytes(shape, type);
      if (state.kernelDepth === 0) counter.admit('data', bytes, () => [{shape, type}]);
      original.move.call(backend, id, values, shape, dtype, references);
      ledger.add(id, bytes, shape, type, 'data', counter.layer());
      return;
    }
    if (counter.limitBytes !== undefined)
      counter.admit('data', ledger.growthOf(values, false), () => [{shape, type}]);
    original.move.call(backend, id, values, shape, dtype, references);
    ledger.addView(id, values, false, shape, type, 'data', counter.layer());
  };

  backend.disposeData = (id, force) => {
    const gone = original.disposeData.call(backend, id, force);
    if (gone && !backend.tensorMap.has(id)) ledger.release(id);
    return gone;
  };

  for (const variable of Object.values(state.registeredVariables)) meet(variable);

  return () => Object.assign(backend, original);
}
