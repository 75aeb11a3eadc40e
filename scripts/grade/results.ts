/**
 * The shape of a grading's outcome, as `results.json` holds it and `--json` prints it.
 */
import type {Question} from '../../lib/quiz/question';

export type Status =
  | 'right'
  | 'partly'
  | 'wrong'
  | 'unanswered'
  | 'missing'
  | 'duplicated'
  | 'edited';

/** One question of one learner; `answer` is what was read, in letters, or null. */
export interface QuestionResult {
  id: string;
  kind: Question['kind'];
  points: number;
  max: number;
  answer: string | null;
  status: Status;
  message: string;
}

/** Something that a person should look at. `cell` counts all cells of the notebook from 1. */
export interface Problem {
  code: ProblemCode;
  file: string | null;
  cell: number | null;
  message: string;
}

type ProblemCode =
  // Of files: what makes the exit code 1.
  | 'not-a-file'
  | 'too-large'
  | 'unreadable'
  | 'not-json'
  | 'not-a-notebook'
  | 'old-format'
  | 'link'
  | 'bad-name'
  | 'too-many'
  | 'failed'
  | 'no-notebook'
  | 'not-of-this-course'
  // Of answers.
  | 'missing'
  | 'duplicated'
  | 'edited'
  | 'contradiction'
  | 'misplaced'
  | 'unknown-id'
  | 'same-notebook-twice';

const answerProblems: readonly ProblemCode[] = [
  'missing',
  'duplicated',
  'edited',
  'contradiction',
  'misplaced',
  'unknown-id',
  'same-notebook-twice',
];

/** Whether something that was handed in could not be graded at all. */
export function isFailure({code}: Problem): boolean {
  return !answerProblems.includes(code);
}

export interface LearnerResult {
  learner: string;
  files: string[];
  score: number;
  max: number;
  questions: QuestionResult[];
  problems: Problem[];
}

export interface Results {
  course: string;
  learners: LearnerResult[];
}

/** `problem` as one line: where, then what. */
export function problemLine({code, file, cell, message}: Problem): string {
  const where = [file, cell === null ? null : `cell ${cell}`].filter(Boolean).join(', ');
  return `${code}: ${where ? `${where}: ` : ''}${message}`;
}
