/**
 * Checks that every batch is whole for a model with layers that take one number of samples only.
 */
import type {CheckedOptions} from '../config/checkOptions';
import {checkWholeBatches} from '../model/fixedSamples';
import type {Graph} from '../model/graph';
import type {CheckedData} from './checkData';

/** Throws BAD_DATA if the last batch of the training or of the validation would be smaller. */
export function checkBatches(
  graph: Graph,
  data: CheckedData,
  validation: CheckedData | null,
  {batchSize, validationSplit}: Pick<CheckedOptions, 'batchSize' | 'validationSplit'>,
): void {
  // Like fit, keep the last samples for validation.
  const trained =
    validation === null && validationSplit > 0
      ? Math.floor(data.samples * (1 - validationSplit))
      : data.samples;
  const kept = data.samples - trained;
  checkWholeBatches(graph, batchSize, trained, kept > 0 ? 'data without its validation' : 'data');
  if (kept > 0) checkWholeBatches(graph, batchSize, kept, 'the validation part of data');
  if (validation) checkWholeBatches(graph, batchSize, validation.samples, 'validationData');
}
