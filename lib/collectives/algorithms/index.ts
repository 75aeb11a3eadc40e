/**
 * The textbook algorithms of the collectives by name and operation, with their sources.
 */
import {ManyHandsError, oneOf} from '../../base/errors';
import {naive} from './naive';
import {recursive} from './recursive';
import {ring} from './ring';
import type {AlgorithmSteps, StepOperation, Textbook} from './steps';
import {tree} from './tree';

export type {AlgorithmSteps, Message, Step, StepOperation, Textbook, Traffic} from './steps';

const MPICH =
  'Thakur, Rabenseifner and Gropp 2005, "Optimization of Collective Communication Operations in MPICH"';

/** The source of each algorithm. */
export const CITATIONS: Record<Textbook, string> = {
  naive: 'reduce to one rank, broadcast back: the plan that everyone writes first',
  ring: 'Patarasu and Yuan 2009, "Bandwidth Optimal All-reduce Algorithms for Clusters of Workstations"',
  recursive: `${MPICH}, sections 4.1 and 4.4 (recursive doubling and halving)`,
  tree: `${MPICH}, section 4.2 (binomial tree)`,
};

/** Every textbook algorithm, by name and operation. */
export const ALGORITHMS: Record<Textbook, Partial<Record<StepOperation, AlgorithmSteps>>> = {
  naive,
  ring,
  recursive,
  tree,
};

/**
 * The algorithm for an operation; throws `BAD_OPTION` with the names of the existing algorithms.
 */
export function algorithmFor(operation: StepOperation, name: string): AlgorithmSteps {
  const algorithm = ALGORITHMS[name as Textbook]?.[operation];
  if (algorithm) return algorithm;
  const known = Object.entries(ALGORITHMS)
    .filter(([, operations]) => operations[operation])
    .map(([knownName]) => knownName);
  throw new ManyHandsError(
    'BAD_OPTION',
    `${operation} has no algorithm '${name}'; it has ${oneOf(known)}, and 'shared' where ranks share memory.`,
  );
}
