/**
 * The decision walk in words: what is asked in which order, the inequality behind it,
 * and where each answer leads.
 */

/** The questions of the walk; data, tensor and pipeline are one question, asked of three ways. */
export type DecisionQuestion = 'fits' | 'fast' | 'data' | 'tensor' | 'pipeline' | 'scarce';

/** One row of the walk. */
export interface DecisionStep {
  question: DecisionQuestion;
  ask: string;
  /** The inequality. */
  rule: string;
  /** Where its answers lead. */
  then: string;
}

/** In the order of the walk. N: devices; t: seconds of a step on one; m: micro-batches. */
export const DECISION_STEPS: readonly DecisionStep[] = [
  {
    question: 'fits',
    ask: '1  Does it fit?',
    rule: 'bytes of a step ≤ memory of a device',
    then: 'No: divide what is held (zero1, zero2, fsdp), or the layers, or the matrices.',
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
    rule: 'saved, at best t (1-1/N) > spent on adding up gradients',
    then: 'Yes: data parallelism. It wants many samples a step.',
  },
  {
    question: 'tensor',
    ask: '3b  Do splits of matrices pay?',
    rule: 'saved, at best t (1-1/N) > spent on all-reduces in the layers',
    then: 'Yes: tensor parallelism. It wants wide layers, few samples and fast links.',
  },
  {
    question: 'pipeline',
    ask: '3c  Do cuts between layers pay?',
    rule: 'saved, at best t (1-1/N)(1-1/m) > spent on 2 m messages',
    then: 'Yes: a pipeline. It wants equal stages and many micro-batches.',
  },
  {
    question: 'scarce',
    ask: '4  What is scarce?',
    rule: 'memory, links, or hours of devices',
    then: 'Of the ways that are left, take the one that spends least of it.',
  },
];
