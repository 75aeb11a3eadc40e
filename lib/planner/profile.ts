/**
 * Measures how long a model's layers take on this machine: real steps of one-thread workers, over
 * several sizes of a micro-batch, alone and with the other cores at work.
 */
import {median, sum} from '../base/statistics';
import type * as tf from '@tensorflow/tfjs';
import type {ModuleReference} from '../model/describe';
import type {ModelDescription} from '../model/description';
import type {Graph} from '../model/graph';
import {copyModel, disposeModel} from '../model/rebuild';
import {topologyHash} from '../run/record';
import type {TrainResult} from '../run/result';
import {train} from '../run/train';
import {loadMeasurement, saveMeasurement} from './machine';
import {meanTimes, medianTimes, warmSteps, type StepTimes} from './stepTimes';
import {syntheticData} from './syntheticData';

/** A model, its description and its graph, each read once. */
export interface DescribedModel {
  model: tf.LayersModel;
  description: ModelDescription;
  graph: Graph;
}

/** A size to measure: steps of `samples` samples, on all devices `ids` at once. */
export interface Sizing {
  samples: number;
  ids: string[];
}

const STEPS_PER_EPOCH = 6;
/** Seconds of steps that a measurement takes. */
const SECONDS = 0.3;
const ROUNDS = 2;
const MOST_EPOCHS = 40;

/** The model to measure, in the forms that a measurement needs. */
interface Subject {
  model: tf.LayersModel;
  description: ModelDescription;
  /** The layer of each call, in call order. */
  names: readonly string[];
  modules: ModuleReference[];
}

/** The median ratio of the slowest worker's step to the mean of all, step by step. */
function slowestRatio(results: readonly TrainResult[]): number {
  const seconds = results.map(({record}) => warmSteps(record.steps).map((step) => step.seconds));
  return median(
    seconds[0].map((_, step) => {
      const ofStep = seconds.map((workerSeconds) => workerSeconds[step]);
      return Math.max(...ofStep) / (sum(ofStep) / ofStep.length);
    }),
  );
}

/**
 * Measures steps of one size over `epochs` short epochs. Returns the times, and how many epochs the
 * next measurement needs for its `SECONDS`.
 */
async function measure(
  {model, description, names, modules}: Subject,
  {samples, ids}: Sizing,
  epochs: number,
): Promise<{times: StepTimes; epochs: number}> {
  const copies = await Promise.all(ids.map(() => copyModel(model, description)));
  try {
    const data = syntheticData(model, samples * STEPS_PER_EPOCH);
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
    const times = meanTimes(
      results.map((result) => medianTimes(result, names, samples, ids.length)),
    );
    const epochsNeeded = Math.ceil(SECONDS / (STEPS_PER_EPOCH * results[0].stepSeconds));
    return {
      times: {...times, slowest: slowestRatio(results)},
      epochs: Math.max(1, Math.min(MOST_EPOCHS, epochsNeeded)),
    };
  } finally {
    copies.forEach(disposeModel);
  }
}

/**
 * Returns the times of each size. A size is measured once per machine, engine and model; later calls
 * load the saved times.
 */
export async function profileModel(
  {model, description, graph}: DescribedModel,
  sizes: readonly Sizing[],
  modules: ModuleReference[] = [],
): Promise<StepTimes[]> {
  const names = graph.calls.map(({name}) => name);
  const subject: Subject = {model, description, names, modules};
  const hash = topologyHash({
    topology: description.topology,
    optimizer: description.optimizer,
    loss: description.loss,
  });
  const profiles = sizes.map((size) => {
    const key = `steps ${hash} ${size.samples} ${size.ids.join(' ')}`;
    const measured: StepTimes[] = [];
    return {size, key, saved: loadMeasurement<StepTimes>(key), epochs: 1, measured};
  });
  // Each round visits all sizes, so a machine that is slow for a while slows all of them alike.
  for (let round = -1; round < ROUNDS; round++) {
    for (const profile of profiles) {
      if (profile.saved) continue;
      const {times, epochs} = await measure(subject, profile.size, profile.epochs);
      profile.epochs = epochs;
      // The first round only warms the code up.
      if (round >= 0) profile.measured.push(times);
    }
  }
  return profiles.map(
    ({key, saved, measured}) => saved ?? saveMeasurement(key, meanTimes(measured)),
  );
}
