/**
 * The steps of the decision card: the questions in their order, the inequality of each, and where
 * the answers lead.
 */

/** The questions; 'data', 'tensor' and 'pipeline' ask the same of three strategies. */
export type DecisionQuestion = 'fits' | 'fast' | 'data' | 'tensor' | 'pipeline' | 'scarce';

/** A question with its inequality and its answers. */
export interface DecisionStep {
  question: DecisionQuestion;
  ask: string;
  /** The inequality. */
  rule: string;
  /** Where the answers lead. */
  then: string;
}

/** N: devices; t: seconds per step on one device; m: micro-batches. */
export const DECISION_STEPS: readonly DecisionStep[] = [
  {
    question: 'fits',
    ask: '1  Does it fit?',
    rule: 'bytes of a step ≤ memory of a device',
    then: 'No: shard the training state (zero1, zero2, fsdp), or split the layers or the matrices.',
  },
  {
    question: 'fast',
    ask: '2  Is one device fast enough?',
    rule: 'steps × t ≤ the time that you have',
    then: 'Yes: stop here. Do not parallelise.',
  },
  {
    question: 'data',
    ask: '3a  Do copies pay?',
    rule: 'saved, at best t (1-1/N) > spent on summing gradients',
    then: 'Yes: data parallelism. It needs many samples per step.',
  },
  {
    question: 'tensor',
    ask: '3b  Does splitting matrices pay?',
    rule: 'saved, at best t (1-1/N) > spent on all-reduces in the layers',
    then: 'Yes: tensor parallelism. It needs wide layers, few samples and fast links.',
  },
  {
    question: 'pipeline',
    ask: '3c  Does splitting between layers pay?',
    rule: 'saved, at best t (1-1/N)(1-1/m) > spent on 2 m messages',
    then: 'Yes: a pipeline. It needs equal stages and many micro-batches.',
  },
  {
    question: 'scarce',
    ask: '4  What is scarce?',
    rule: 'memory, links, or device hours',
    then: 'Choose the remaining strategy that uses the least of it.',
  },
];
