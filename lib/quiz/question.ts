/**
 * What a question of each kind is, as a bank's file says it.
 */

/** 'practice' shows the worked solution at once; 'assessed' only records. */
export type Mode = 'practice' | 'assessed';

/** What questions of every kind have; texts are Markdown. */
export interface QuestionBase {
  id: string;
  title: string;
  mode: Mode;
  /** The notebooks in which the question stands, by their `metadata.many_hands.notebook`. */
  notebooks: string[];
  stem: string;
  /** The worked solution, a step each. */
  solution: string[];
  quickCheck: string;
  readAgain: string;
  file: string;
  line: number;
}

/**
 * One option: exactly one of a question's options is right; every wrong one has the mistake behind
 * it.
 */
export interface Option {
  letter: string;
  text: string;
  right: boolean;
  mistake: string | null;
}

export interface ChoiceQuestion extends QuestionBase {
  kind: 'choice';
  options: Option[];
}

/**
 * A visible test of a code question: `call` and `expected` are expressions; `call` uses the
 * function by its name.
 */
export interface VisibleTest {
  name: string;
  call: string;
  expected: string;
}

export interface CodeQuestion extends QuestionBase {
  kind: 'code';
  functionName: string;
  tests: VisibleTest[];
  /**
   * TypeScript that declares `functionName`: what the cells after it use until the learner's own
   * passes.
   */
  reference: string;
}

/** A well-known wrong number, in the question's unit, and what leads to it. */
export interface WrongTurn {
  value: number;
  mistake: string;
}

export interface NumericQuestion extends QuestionBase {
  kind: 'numeric';
  value: number;
  /** '' for a plain number. */
  unit: string;
  /** A share of the value where it is `relative`, else in the unit. */
  tolerance: number;
  relative: boolean;
  wrongTurns: WrongTurn[];
}

/** Questions that `answer` answers, and the grader grades. */
export type AnsweredQuestion = ChoiceQuestion | NumericQuestion;
export type Question = AnsweredQuestion | CodeQuestion;

/** Something wrong in a bank file; `line` counts from 1. */
export interface BankProblem {
  file: string;
  line: number;
  message: string;
}
