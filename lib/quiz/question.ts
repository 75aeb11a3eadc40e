/**
 * The types of questions, as a bank file describes them.
 */

/** 'practice' shows the worked solution at once; 'assessed' only records the answer. */
export type Mode = 'practice' | 'assessed';

/** The fields of questions of every kind; texts are Markdown. */
export interface QuestionBase {
  id: string;
  title: string;
  mode: Mode;
  /** The notebooks that ask the question, by their `metadata.many_hands.notebook`. */
  notebooks: string[];
  stem: string;
  /** The steps of the worked solution. */
  solution: string[];
  quickCheck: string;
  readAgain: string;
  file: string;
  line: number;
}

/**
 * An option of a choice question. Exactly one option is right; every other option names the mistake
 * that leads to it.
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
 * A visible test of a code question: `call` and `expected` are expressions, and `call` uses the
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
   * TypeScript that declares `functionName`; later cells use it until the learner's function passes.
   */
  reference: string;
}

/** A well-known wrong number, in the question's unit, and the mistake that leads to it. */
interface WrongTurn {
  value: number;
  mistake: string;
}

export interface NumericQuestion extends QuestionBase {
  kind: 'numeric';
  value: number;
  /** '' for a plain number. */
  unit: string;
  /** A share of the value if `relative`, otherwise a difference in the unit. */
  tolerance: number;
  relative: boolean;
  wrongTurns: WrongTurn[];
}

/** Questions for `answer`, which the grader grades. */
export type AnsweredQuestion = ChoiceQuestion | NumericQuestion;
export type Question = AnsweredQuestion | CodeQuestion;

/** A problem in a bank file; `line` counts from 1. */
export interface BankProblem {
  file: string;
  line: number;
  message: string;
}
