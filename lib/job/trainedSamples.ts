/**
 * The division of samples into those that are trained on and those for validation.
 */
import {ManyHandsError} from '../base/errors';

/**
 * How many of `samples` samples are trained on: like fit, a validationSplit keeps the last ones for
 * validation, before any shuffling. Throws BAD_DATA if no sample is left for either.
 */
export function trainedSamples(samples: number, validationSplit: number): number {
  if (validationSplit <= 0) return samples;
  const trained = Math.floor(samples * (1 - validationSplit));
  const left = (what: string) =>
    new ManyHandsError(
      'BAD_DATA',
      `validationSplit ${validationSplit} of ${samples} samples leaves none for ${what}: give more samples, another validationSplit, or validationData.`,
    );
  if (trained === 0) throw left('training');
  if (trained === samples) throw left('validation');
  return trained;
}
