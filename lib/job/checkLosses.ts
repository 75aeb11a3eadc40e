/**
 * Checks that the losses and metrics of a user's own mean the same for a divided batch as for the
 * whole one, before any step is taken: in the caller if it passes arrays, in the worker if it opens
 * a module.
 */
import * as tf from '@tensorflow/tfjs';
import {ManyHandsError} from '../base/errors';
import {permutation} from '../base/random';
import type {ModelDescription} from '../model/description';
import {compiledModel, symbolicOutputs} from '../model/tfjsInternals';
import type {Losses} from '../step/losses';
import {countOf, isSumAndCount, type LossResult} from '../step/sumAndCount';
import {makeBatch} from './batches';
import type {CheckedData} from './checkData';
import {call, givenFunctions, madeUpOutputs, type GivenFunction} from './givenFunctions';
import type {SampleWeights} from './sampleWeights';
import {trainedSamples} from './trainedSamples';

/** What decides how a run divides its batches, and which batches come first. */
export interface BatchDivision {
  batchSize: number;
  microBatches: number;
  /** The number of ranks on the data axis. */
  replicas: number;
  shuffle: boolean;
  seed: number;
  initialEpoch: number;
  validationSplit: number;
}

/** At most so many batches are tried, and so many samples of each. */
const BATCHES = 8;
const SAMPLES = 64;

/** Of some samples; a mean counts as the sum over them. */
interface Halves {
  sum: number;
  count: number;
  isMean: boolean;
}

function halvesOf(tested: GivenFunction, target: tf.Tensor, output: tf.Tensor): Halves {
  const result = call(tested, target, output);
  if (isSumAndCount(result)) {
    const sum = tf.sum(result.sum).dataSync()[0];
    return {sum, count: countOf(result), isMean: false};
  }
  const count = target.shape[0];
  return {sum: count * tf.mean(result).dataSync()[0], count, isMean: true};
}

const differ = (a: number, b: number, size: number) => Math.abs(a - b) > 1e-4 * size;

/**
 * Refuses a function whose value for the whole is not that of its two parts together. Returns false
 * if made-up outputs such as these say nothing, because the value for the whole is not finite.
 */
function checkSplit(
  tested: GivenFunction,
  target: tf.Tensor,
  output: tf.Tensor,
  at: number,
  division: BatchDivision,
): boolean {
  const rows = (tensor: tf.Tensor, start: number, size: number) =>
    tf.slice(tensor, [start], [size]);
  const samples = target.shape[0];
  const whole = halvesOf(tested, target, output);
  const parts = [
    halvesOf(tested, rows(target, 0, at), rows(output, 0, at)),
    halvesOf(tested, rows(target, at, samples - at), rows(output, at, samples - at)),
  ];
  const sum = parts[0].sum + parts[1].sum;
  const count = parts[0].count + parts[1].count;
  const size = Math.max(Math.abs(whole.sum), Math.abs(parts[0].sum), Math.abs(parts[1].sum));
  if (!Number.isFinite(whole.sum)) return false;
  const addsUp =
    Number.isFinite(sum) &&
    !differ(whole.sum, sum, size) &&
    !differ(whole.count, count, Math.abs(whole.count));
  if (addsUp) return true;
  const {microBatches, replicas} = division;
  const divided = [
    ...(microBatches > 1 ? [`${microBatches} micro-batches`] : []),
    ...(replicas > 1 ? [`${replicas} ranks`] : []),
  ].join(' and ');
  throw new ManyHandsError(
    'BAD_MODEL',
    `${tested.name} does not add up: for ${samples} samples it is ${whole.sum / whole.count}, but from the first ${at} and the other ${samples - at} it comes to ${sum / count}. ` +
      `This run divides each batch (${divided}), so it would train on another loss than fit. ` +
      'Return one value for each sample, or {sum, count}, which are added up over the whole batch (sumOverCount makes such a function that fit takes too); or train on one device without microBatches.',
  );
}

/** A loss's count must not depend on the outputs, which are not known when it is summed. */
function checkCount(tested: GivenFunction, target: tf.Tensor, output: tf.Tensor): void {
  const {count, isMean} = halvesOf(tested, target, output);
  if (isMean) return;
  const expected = halvesOf(tested, target, tf.zerosLike(output)).count;
  if (!differ(count, expected, Math.abs(expected))) return;
  throw new ManyHandsError(
    'BAD_MODEL',
    `the count of ${tested.name} depends on the outputs: it is ${expected} for outputs of 0 and ${count} for others. Where a batch is divided, it is summed before the first pass: compute it from the targets alone.`,
  );
}

/** Words for a result that has no value to weight for each sample; null if it has one. */
function unweightable(result: LossResult, weight: tf.Tensor): string | null {
  if (isSumAndCount(result)) return '{sum, count}';
  const {shape} = result;
  if (shape.length === 0) return 'one number for the whole batch';
  const fits = weight.shape.every((length, dim) => length === shape[dim]);
  return fits ? null : `a tensor [${shape}]`;
}

/** Refuses weights that a loss cannot take sample by sample. */
function checkWeighted(
  tested: GivenFunction,
  target: tf.Tensor,
  output: tf.Tensor,
  weight: tf.Tensor,
  {isOption, isDivided}: {isOption: boolean; isDivided: boolean},
): void {
  const result = call(tested, target, output);
  const what = unweightable(result, weight);
  // fit multiplies one number for the batch by the mean of the batch's weights.
  const isAsInFit = !isOption && !isDivided && result instanceof tf.Tensor && result.rank === 0;
  if (what === null || isAsInFit) return;
  throw new ManyHandsError(
    'BAD_OPTION',
    `${isOption ? 'sampleWeight' : 'classWeight'} cannot weight ${tested.name}, which returns ${what}: return one value for each sample.`,
  );
}

/** The samples of some of the run's first epoch's batches. */
function batchesToTry(samples: number, division: BatchDivision): Int32Array[] {
  const {batchSize, shuffle, seed, initialEpoch, validationSplit} = division;
  const trained = trainedSamples(samples, validationSplit);
  const order = shuffle
    ? permutation(trained, seed, initialEpoch)
    : Int32Array.from({length: trained}, (_, i) => i);
  const batches = Math.ceil(trained / batchSize);
  const tried = Math.min(BATCHES, batches);
  return Array.from({length: tried}, (_, k) => {
    const start = Math.floor((k * batches) / tried) * batchSize;
    return order.slice(start, start + Math.min(batchSize, SAMPLES));
  });
}

/**
 * Calls the losses and metrics of a user's own with targets of the first epoch and made-up outputs.
 * Throws BAD_MODEL for one that does not add up over the parts of a batch if the run divides
 * batches, and BAD_OPTION for weights that a loss cannot take. `weighted` says which of the two
 * options gave the weights.
 */
export function checkLosses(
  model: tf.LayersModel,
  description: ModelDescription,
  data: CheckedData,
  weights: SampleWeights,
  division: BatchDivision,
  hasSampleWeight: boolean,
): void {
  const functions = givenFunctions(compiledModel(model), description);
  const isDivided = division.microBatches > 1 || division.replicas > 1;
  const isWeighted = weights.some((weight) => weight !== null);
  if (functions.length === 0 || !(isDivided || isWeighted)) return;
  const shapes = symbolicOutputs(model).map(({shape}) => shape);
  const conclusive = new Set<GivenFunction>();
  const inconclusive = new Set<GivenFunction>();
  /** Tries a function on targets and made-up outputs. */
  const tryOn = (tested: GivenFunction, target: tf.Tensor, output: tf.Tensor) => {
    const samples = target.shape[0];
    for (const at of new Set([Math.floor(samples / 2), 1]))
      if (at > 0 && at < samples) {
        const says = checkSplit(tested, target, output, at, division);
        (says ? conclusive : inconclusive).add(tested);
      }
    if (tested.isLoss) checkCount(tested, target, output);
  };
  for (const indices of batchesToTry(data.samples, division)) {
    tf.tidy(() => {
      const batch = makeBatch(data, indices, weights, {xs: false, ys: true});
      for (const tested of functions) {
        const target = batch.ys[tested.output];
        const weight = tested.isLoss ? batch.weights[tested.output] : null;
        for (const output of madeUpOutputs(shapes[tested.output], target)) {
          if (weight)
            checkWeighted(tested, target, output, weight, {isOption: hasSampleWeight, isDivided});
          if (isDivided && !tested.isOfTfjs) tryOn(tested, target, output);
        }
      }
    });
  }
  const unknown = [...inconclusive].find((tested) => !conclusive.has(tested));
  if (unknown)
    throw new ManyHandsError(
      'BAD_MODEL',
      `${unknown.name} is not a finite number for any made-up outputs, so it cannot be checked whether it adds up over the parts of a batch. Train on one device without microBatches.`,
    );
}

/** Every rank finds out from the first sample what the losses of a user's own return. */
export function readLosses(losses: Losses, data: CheckedData): void {
  if (!losses.areOfUser) return;
  const none = data.ys.map(() => null);
  const {ys} = makeBatch(data, Int32Array.of(0), none, {xs: false, ys: true});
  losses.read(ys);
  tf.dispose(ys);
}
