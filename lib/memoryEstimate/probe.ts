/**
 * Measures the memory of each layer with two samples and with three. Sizes are affine in
 * the batch, so two measurements determine them. Only one layer's tape is alive at a time.
 */
import * as tf from '@tensorflow/tfjs';
import {withCode} from '../base/errors';
import type {StepContext} from '../base/stepContext';
import {sharesBuffer, withMeter, type MemoryMeter} from '../memory';
import {compiledModel, symbolicInputs} from '../model/tfjsInternals';
import {refuseMeasuring} from '../model/fixedSamples';
import {saveState} from '../model/layerState';
import {GradientSum} from '../step/gradientSum';
import {readGraph, type Graph, type LayerCall} from '../model/graph';
import {applyLayer} from '../step/layerCall';
import {maskAfter} from '../step/masks';
import {Objective, targetShape} from '../step/objective';
import {Slots} from '../step/slots';
import {backward, discard, record} from '../step/tape';
import {tensorBytes, typeNumber} from '../memory/elementTypes';

/**
 * The buffer of a tensor: its own, with its bytes; that of the call's input or output with this
 * index; or a weight's.
 */
export type BufferRef = {bytes: number} | {input: number} | {output: number} | {weight: true};

/** The sizes of one call at one batch size, in bytes. */
export interface CallSizes {
  outputs: BufferRef[];
  /** The mask of the layer's output. */
  mask: number;
  /** What the tape keeps in addition to inputs, outputs and weights. */
  inside: number;
  keepsInputs: boolean[];
  keepsOutputs: boolean[];
  /** The peak of the forward pass above what is alive before it. */
  forward: number;
  /** The peak of the backward pass above what is alive before it. */
  backward: number;
  /** The gradient of each input, null without one; `output`: the output's gradient is passed on. */
  gradients: Array<BufferRef | null>;
}

interface LossSizes {
  /** Inputs and targets of the micro-batch. */
  batch: number;
  /** The peak of loss, gradient and metrics above what is alive before them. */
  extra: number;
  /** The gradients of the model's outputs. */
  gradients: number;
}

export interface Probe {
  calls: CallSizes[];
  loss: LossSizes;
}

const CONTEXT: StepContext = {seed: 1, layer: '', step: 0, firstSample: 0};

function inputsOf(model: tf.LayersModel, batch: number): tf.Tensor[] {
  return symbolicInputs(model).map(({shape, dtype}) =>
    tf.zeros([batch, ...(shape.slice(1) as number[])], dtype === 'int32' ? 'int32' : 'float32'),
  );
}

function targetsOf(model: tf.LayersModel, outputs: tf.Tensor[]): tf.Tensor[] {
  const compiled = compiledModel(model);
  return outputs.map((output, i) => tf.zeros(targetShape(compiled, i, output.shape).shape));
}

const distinct = (tensors: tf.Tensor[]): tf.Tensor[] =>
  tensors.filter((tensor, i) => !tensors.slice(0, i).some((other) => sharesBuffer(tensor, other)));
const bytesOf = (tensor: tf.Tensor): number => tensorBytes(tensor.shape, typeNumber(tensor.dtype));

class Prober {
  private readonly calls: CallSizes[] = [];

  constructor(
    private readonly meter: MemoryMeter,
    private readonly graph: Graph,
    private readonly sum: GradientSum,
    private readonly slots: Slots,
  ) {}

  /** The result of `run`, and its peak above what is alive before it. */
  private measure<T>(run: () => T): {value: T; extra: number} {
    this.meter.resetPeak();
    const before = this.meter.liveBytes;
    const value = run();
    return {value, extra: this.meter.peakBytes - before};
  }

  private bufferOf(
    tensor: tf.Tensor,
    inputs: tf.Tensor[],
    outputs: tf.Tensor[],
    weights: tf.Tensor[],
  ): BufferRef {
    const input = inputs.findIndex((other) => sharesBuffer(tensor, other));
    if (input >= 0) return {input};
    const output = outputs.findIndex((other) => sharesBuffer(tensor, other));
    if (output >= 0) return {output};
    return weights.some((other) => sharesBuffer(tensor, other))
      ? {weight: true}
      : {bytes: bytesOf(tensor)};
  }

  call(call: LayerCall): void {
    const {slots, sum} = this;
    const inputs = call.inputs.map((slot) => slots.tensors[slot]!);
    const masks = slots.masksFor(call);
    const weights = sum.weightsOf(call.layer);
    const wanting = inputs.filter((_, i) => slots.wantGradient[call.inputs[i]]);
    const forward = this.measure(() =>
      record([...wanting, ...weights], () =>
        applyLayer(call, inputs, masks.argument, CONTEXT, true),
      ),
    );
    const {outputs, tape} = forward.value;
    const saved = tape.nodes.flatMap((node) => node.saved).filter((tensor) => !tensor.isDisposed);
    const buffers = saved.map((tensor) => this.bufferOf(tensor, inputs, outputs, weights));
    const inside = distinct(saved.filter((_, i) => 'bytes' in buffers[i])).reduce(
      (bytes, tensor) => bytes + bytesOf(tensor),
      0,
    );
    const sizes: CallSizes = {
      outputs: outputs.map((output, i) =>
        this.bufferOf(output, inputs, outputs.slice(0, i), weights),
      ),
      mask: 0,
      inside,
      keepsInputs: inputs.map((_, i) =>
        buffers.some((buffer) => 'input' in buffer && buffer.input === i),
      ),
      keepsOutputs: outputs.map((_, i) =>
        buffers.some((buffer) => 'output' in buffer && buffer.output === i),
      ),
      forward: forward.extra,
      backward: 0,
      gradients: inputs.map(() => null),
    };
    if (tape.nodes.length > 0) this.probeBackward(call, tape, inputs, outputs, sizes);
    else discard(tape);
    const outputMask = maskAfter(call, inputs, masks);
    sizes.mask = outputMask ? bytesOf(outputMask) : 0;
    slots.put(call, outputs, outputMask, wanting.length > 0 || weights.length > 0);
    slots.freeAfter(call);
    this.calls.push(sizes);
  }

  private probeBackward(
    call: LayerCall,
    tape: Parameters<typeof backward>[0],
    inputs: tf.Tensor[],
    outputs: tf.Tensor[],
    sizes: CallSizes,
  ): void {
    const outputGradients = outputs.map((output) => tf.onesLike(output));
    const {value: gradients, extra} = this.measure(() =>
      backward(tape, new Map(outputs.map((output, i) => [output.id, outputGradients[i]]))),
    );
    sizes.backward = extra;
    call.inputs.forEach((_, i) => {
      const gradient = gradients.get(inputs[i].id);
      if (!gradient) return;
      const output = outputGradients.findIndex((other) => sharesBuffer(gradient, other));
      sizes.gradients[i] = output >= 0 ? {output} : {bytes: bytesOf(gradient)};
    });
    tf.dispose([...gradients.values(), ...outputGradients]);
  }

  finish(model: tf.LayersModel, inputs: tf.Tensor[]): Probe {
    const outputs = this.slots.takeOutputs();
    const targets = targetsOf(model, outputs);
    const objective = new Objective(model, this.graph);
    const {value, extra} = this.measure(() =>
      objective.withGradient(
        outputs,
        targets,
        outputs.map(() => null),
        1,
      ),
    );
    const batch = [...inputs, ...targets].reduce((bytes, tensor) => bytes + bytesOf(tensor), 0);
    const gradients = distinct(value.gradients).reduce(
      (bytes, tensor) => bytes + bytesOf(tensor),
      0,
    );
    tf.dispose([...outputs, ...targets, ...value.gradients]);
    return {calls: this.calls, loss: {batch, extra, gradients}};
  }
}

function probeAt(
  meter: MemoryMeter,
  model: tf.LayersModel,
  graph: Graph,
  sum: GradientSum,
  batch: number,
): Probe {
  const inputs = inputsOf(model, batch);
  const slots = Slots.ofInputs(graph, inputs);
  // Batch norm's averages change whenever the layer is applied, so they are restored.
  const others = graph.calls.flatMap(({layer}) => sum.othersOf(layer));
  const state = saveState(model, others);
  try {
    const prober = new Prober(meter, graph, sum, slots);
    for (const call of graph.calls) prober.call(call);
    return prober.finish(model, inputs);
  } finally {
    slots.freeAll();
    tf.dispose(inputs);
    state.restore();
  }
}

/** The sizes of a model's layers with two samples and with three, and its graph. */
export interface Probed {
  graph: Graph;
  sum: GradientSum;
  two: Probe;
  three: Probe;
}

export function probeModel(model: tf.LayersModel): Probed {
  const graph = readGraph(model);
  refuseMeasuring(graph);
  const sum = GradientSum.of(model);
  try {
    return withMeter((meter) => ({
      graph,
      sum,
      two: probeAt(meter, model, graph, sum, 2),
      three: probeAt(meter, model, graph, sum, 3),
    }));
  } catch (error) {
    throw withCode(error, 'BAD_MODEL', "the model's layers cannot be run on two and three samples");
  }
}
