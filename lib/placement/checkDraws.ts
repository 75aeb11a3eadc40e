/**
 * Refuses layers whose random numbers a plan would change.
 */
import {ManyHandsError} from '../base/errors';
import {refuseOption} from '../base/options';
import type {Plan} from '../config/plan';
import type {Graph} from '../model/graph';
import type {FoundDraws} from '../step/findDraws';

/**
 * Throws BAD_MODEL for a layer that would draw other numbers than on one device, and BAD_OPTION for
 * a layer that draws and is sharded.
 */
export function checkDraws(
  {draws, obstacles}: FoundDraws,
  {mesh, microBatches, recompute, layout = {}}: Plan,
  {calls}: Graph,
): void {
  const divided = mesh.data > 1 || microBatches > 1;
  const repeated = divided || mesh.size > 1 || recompute !== 'none';
  for (const {call, where, because} of obstacles)
    if (where === 'divided' ? divided : repeated)
      throw new ManyHandsError(
        'BAD_MODEL',
        `layer '${call.name}' ${because}; or train on one device, without microBatches and recompute.`,
      );
  for (const {call} of draws) {
    const {name} = calls[call];
    if (layout[name])
      refuseOption(
        `layout: '${name}' draws random numbers, and each device would draw those of its own shard: make it 'replicated'.`,
      );
  }
}
