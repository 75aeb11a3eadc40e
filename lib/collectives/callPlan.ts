/**
 * What a collective call will do: its algorithm, its steps, and the bytes that its formula
 * predicts.
 */
import {algorithmFor, type Step, type StepOperation} from './algorithms';
import {refuseOption} from '../base/options';
import {SHARED_TRAFFIC, type Bytes} from './ledger';
import type {Algorithm, Numbers, Transport} from './types';

/** Below this many bytes an all-reduce by messages uses 'recursive' (fewer rounds), else 'ring'. */
const RING_FROM_BYTES = 64 * 1024;

/** What the program asks for. */
export interface CallForm {
  operation: StepOperation;
  /** Elements. */
  length: number;
  /** The algorithm that the program asks for. */
  asked: Algorithm | undefined;
  label: string;
  root: number | null;
}

export interface CallPlan extends CallForm {
  algorithm: Algorithm;
  /** Null for the algorithm `shared`. */
  steps: Step[] | null;
  bytes: Bytes;
  /** The formula in words. */
  text: string;
}

function chooseAlgorithm(
  operation: StepOperation,
  array: Numbers,
  asked: Algorithm | undefined,
  {shared, kind}: Transport,
): Algorithm {
  if (asked === 'shared' && !shared)
    refuseOption(
      `algorithm 'shared' needs ranks that share memory; this communicator's transport is ${kind}: leave algorithm out.`,
    );
  if (asked) return asked;
  if (shared) return 'shared';
  if (operation === 'broadcast' || operation === 'reduce') return 'tree';
  return operation === 'allReduce' && array.byteLength < RING_FROM_BYTES ? 'recursive' : 'ring';
}

const sameForm = (a: CallForm, b: CallForm) =>
  a.operation === b.operation &&
  a.length === b.length &&
  a.asked === b.asked &&
  a.label === b.label &&
  a.root === b.root;

/**
 * Plans the calls of one rank. It keeps the last plan, because most programs repeat their last
 * call.
 */
export class CallPlanner {
  private last: CallPlan | null = null;

  constructor(private readonly transport: Transport) {}

  /** The plan of a call; throws BAD_OPTION if the operation does not have the algorithm. */
  plan(form: CallForm, array: Numbers): CallPlan {
    if (this.last && sameForm(this.last, form)) return this.last;
    const {operation, length, asked} = form;
    const {rank, size} = this.transport;
    const root = form.root ?? 0;
    const algorithm = chooseAlgorithm(operation, array, asked, this.transport);
    const textbook = algorithm === 'shared' ? null : algorithmFor(operation, algorithm);
    const elements = (textbook ?? SHARED_TRAFFIC[operation]).traffic(rank, length, size, root);
    this.last = {
      ...form,
      algorithm,
      steps: textbook?.steps(size, root) ?? null,
      bytes: {sent: 4 * elements.sent, received: 4 * elements.received},
      text: textbook?.trafficText ?? SHARED_TRAFFIC[operation].text,
    };
    return this.last;
  }
}
