/**
 * What a model's layers take on this machine: seconds of each one's forward and
 * backward in real steps of one-thread workers, over several sizes of a micro-batch, alone and with
 * the other cores at work.
 */
import {median, sum} from '../base/statistics';
import * as tf from '@tensorflow/tfjs';
import type {ShapedArray} from '../base/arrays';
import {siblingOf} from '../memoryEstimate/optimizerSizes';
import {describeModel, type ModuleReference} from '../model/describe';
import type {ModelDescription} from '../model/description';
import {
  compiledModel,
  symbolicInputs,
  symbolicOutputs,
  type SymbolicTensor,
} from '../model/tfjsInternals';
import {disposeModel, rebuildModel} from '../model/rebuild';
import {topologyHash} from '../run/record';
import type {TrainResult} from '../run/result';
import {readGraph} from '../model/graph';
import {targetShape} from '../step/objective';
import {updateOneByOne} from '../step/update';
import {train} from '../run/train';
import {keep, recall} from './machine';

/** A step of one worker over so many samples, in seconds. */
export interface StepTimes {
  samples: number;
  /** How many workers took such steps at the same time. */
  workers: number;
  /** By layer call. */
  forward: number[];
  /** By layer call. */
  backward: number[];
  /** The loss, its gradient and the metrics. */
  loss: number;
  input: number;
  update: number;
  /** What a step takes beside all that. */
  rest: number;
  /**
   * The slower worker's step by the mean of both, step by step: what ranks that wait for each other
   * lose. 1 of one worker.
   */
  slowest: number;
}

const STEPS = 6;
/** Seconds of steps that a measurement takes. */
const SECONDS = 0.3;
const ROUNDS = 2;
const MOST_EPOCHS = 40;

/**
 * Numbers in the shapes that the model takes: what a layer computes does not decide how long it
 * takes.
 */
export function dataFor(
  model: tf.LayersModel,
  samples: number,
): {xs: ShapedArray[]; ys: ShapedArray[]} {
  const compiled = compiledModel(model);
  const shapeOf = ({shape}: SymbolicTensor) => [
    samples,
    ...shape.slice(1).map((length) => length ?? 1),
  ];
  const filled = (shape: number[], whole: boolean): ShapedArray => {
    const size = tf.util.sizeFromShape(shape);
    return {values: whole ? new Int32Array(size) : new Float32Array(size).fill(0.1), shape};
  };
  const xs = symbolicInputs(model).map((input) => filled(shapeOf(input), input.dtype === 'int32'));
  const ys = symbolicOutputs(model).map((output, i) => {
    const {shape, sparse} = targetShape(compiled, i, shapeOf(output));
    return filled(shape, sparse);
  });
  return {xs, ys};
}

/** A run's steps but for the first third, in which code is not warm yet. */
const settled = <T>(steps: readonly T[]): T[] => steps.slice(Math.ceil(steps.length / 3));

/** The medians over a run's steps, but for the first ones. */
function timesOf(
  {trace: {spans}, record}: TrainResult,
  names: readonly string[],
  samples: number,
  workers: number,
): StepTimes {
  const steps = settled(record.steps.map((_, step) => step));
  const secondsOf = (kind: string, name: string | null, nth = 0) =>
    median(
      steps.map((step) => {
        const own = spans.filter(
          (span) =>
            span.step === step && span.kind === kind && (name === null || span.name === name),
        );
        return name === null
          ? sum(own.map(({wallSeconds}) => wallSeconds))
          : (own[nth]?.wallSeconds ?? 0);
      }),
    );
  const nth = (i: number) => names.slice(0, i).filter((name) => name === names[i]).length;
  const uses = (i: number) => names.filter((name) => name === names[i]).length;
  const forward = names.map((name, i) => secondsOf('forward', name, nth(i)));
  // Backward comes to a layer's last use first.
  const backward = names.map((name, i) => secondsOf('backward', name, uses(i) - 1 - nth(i)));
  const [loss, input, update] = [
    secondsOf('forward', 'loss'),
    secondsOf('input', null),
    secondsOf('update', null),
  ];
  const whole = median(settled(record.steps).map(({seconds}) => seconds));
  const known = sum([loss, input, update, ...forward, ...backward]);
  return {
    samples,
    workers,
    forward,
    backward,
    loss,
    input,
    update,
    rest: Math.max(0, whole - known),
    slowest: 1,
  };
}

/** The mean of several measurements of one size. */
function meanOf(all: readonly StepTimes[]): StepTimes {
  const mean = (of: (times: StepTimes) => number) => sum(all.map(of)) / all.length;
  const layers = (kind: 'forward' | 'backward') =>
    all[0][kind].map((_, i) => mean((times) => times[kind][i]));
  return {
    ...all[0],
    forward: layers('forward'),
    backward: layers('backward'),
    loss: mean(({loss}) => loss),
    input: mean(({input}) => input),
    update: mean(({update}) => update),
    rest: mean(({rest}) => rest),
    slowest: mean(({slowest}) => slowest),
  };
}

/**
 * Steps of one size, over so many epochs of a few; and how many epochs make the seconds that are
 * wanted.
 */
async function measure(
  model: tf.LayersModel,
  description: ModelDescription,
  names: readonly string[],
  {samples, ids}: Sizing,
  epochs: number,
  modules: ModuleReference[],
): Promise<{times: StepTimes; epochs: number}> {
  const copies = await Promise.all(ids.map(() => rebuildModel(description)));
  try {
    const data = dataFor(model, samples * STEPS);
    const results = await Promise.all(
      copies.map((copy, i) =>
        train(copy, data, {
          batchSize: samples,
          epochs,
          devices: [ids[i]],
          threads: 1,
          shuffle: false,
          seed: 1,
          verbose: 0,
          trace: 'layers',
          modules,
        }),
      ),
    );
    const steps = results.map(({record}) => settled(record.steps).map((step) => step.seconds));
    const slowest = median(
      steps[0].map(
        (_, step) =>
          Math.max(...steps.map((own) => own[step])) /
          (sum(steps.map((own) => own[step])) / steps.length),
      ),
    );
    return {
      times: {
        ...meanOf(results.map((result) => timesOf(result, names, samples, ids.length))),
        slowest,
      },
      epochs: Math.max(
        1,
        Math.min(MOST_EPOCHS, Math.ceil(SECONDS / (STEPS * results[0].stepSeconds))),
      ),
    };
  } finally {
    copies.forEach(disposeModel);
  }
}

const TINY = 16;
const UPDATES = 40;

/**
 * Seconds of the update of a weight of hardly any size by this kind of optimizer: what each weight
 * costs, however small.
 */
export function updateSeconds(optimizer: tf.Optimizer): number {
  const own = siblingOf(optimizer);
  const variable = tf.tidy(() => tf.variable(tf.ones([TINY])));
  const gradient = tf.ones([TINY]);
  try {
    const times = Array.from({length: UPDATES}, () => {
      const start = performance.now();
      updateOneByOne(own, [variable], {gradient: () => gradient});
      return (performance.now() - start) / 1000;
    });
    return median(times.slice(UPDATES / 2));
  } finally {
    tf.dispose([variable, gradient]);
    own.dispose();
  }
}

/** What is to be measured: steps over `samples` by the devices `ids` at once. */
export interface Sizing {
  samples: number;
  ids: string[];
}

/**
 * The times of each size, measured or remembered; a size is measured once per machine, engine and
 * model.
 */
export async function profileModel(
  model: tf.LayersModel,
  sizes: readonly Sizing[],
  modules: ModuleReference[] = [],
): Promise<StepTimes[]> {
  const description = await describeModel(model, modules);
  const names = readGraph(model).calls.map(({name}) => name);
  const hash = topologyHash({
    topology: description.topology,
    optimizer: description.optimizer,
    loss: description.loss,
  });
  const all = sizes.map((size) => {
    const what = `steps ${hash} ${size.samples} ${size.ids.join(' ')}`;
    return {size, what, known: recall<StepTimes>(what), epochs: 1, taken: [] as StepTimes[]};
  });
  // Round after round over all sizes: a machine that is slow for a while is slow for each of them.
  for (let round = -1; round < ROUNDS; round++) {
    for (const one of all) {
      if (one.known) continue;
      const {times, epochs} = await measure(
        model,
        description,
        names,
        one.size,
        one.epochs,
        modules,
      );
      one.epochs = epochs;
      // In the first, code is not warm yet.
      if (round >= 0) one.taken.push(times);
    }
  }
  return all.map(({what, known, taken}) => known ?? keep(what, meanOf(taken)));
}

/**
 * The times at any number of samples, from those measured with so many workers: along straight
 * lines between the sizes, and beyond them.
 */
export function timesAt(times: readonly StepTimes[], samples: number, workers: number): StepTimes {
  const own = times.filter((one) => one.workers === workers).sort((a, b) => a.samples - b.samples);
  const exact = own.find((one) => one.samples === samples);
  if (exact) return exact;
  if (own.length === 1) return scaled(own[0], samples);
  const at = Math.min(
    own.length - 2,
    Math.max(0, own.findIndex((one) => one.samples > samples) - 1),
  );
  const [low, high] = [
    own[own[own.length - 1].samples < samples ? own.length - 2 : at],
    own[own[own.length - 1].samples < samples ? own.length - 1 : at + 1],
  ];
  const share = (samples - low.samples) / (high.samples - low.samples);
  const between = (a: number, b: number) => Math.max(0, a + share * (b - a));
  return {
    samples,
    workers,
    forward: low.forward.map((one, i) => between(one, high.forward[i])),
    backward: low.backward.map((one, i) => between(one, high.backward[i])),
    slowest: between(low.slowest, high.slowest),
    loss: between(low.loss, high.loss),
    input: between(low.input, high.input),
    update: between(low.update, high.update),
    rest: between(low.rest, high.rest),
  };
}

/** From one size alone: in proportion. */
function scaled(times: StepTimes, samples: number): StepTimes {
  const by = samples / times.samples;
  return {
    ...times,
    samples,
    forward: times.forward.map((one) => one * by),
    backward: times.backward.map((one) => one * by),
    loss: times.loss * by,
    input: times.input * by,
  };
}
