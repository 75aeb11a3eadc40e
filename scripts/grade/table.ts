/**
 * What a grading prints in the terminal.
 */
import type {LearnerResult, QuestionResult, Status} from './results';
import {problemLine} from './results';

const signs: Record<Status, string> = {
  right: '✓',
  partly: '◐',
  wrong: '✗',
  unanswered: '·',
  missing: 'm',
  duplicated: 'd',
  edited: 'e',
};
const legend =
  '✓ right  ✗ wrong  · unanswered  m missing  d duplicated  e edited; after d, its points';

/**
 * Learners with their score and a sign a question, the legend, and every problem by the learner's
 * name.
 */
export function gradesTable(learners: readonly LearnerResult[], ids: readonly string[]): string {
  const names = learners.map(({learner}) => clean(learner));
  const width = Math.max('learner'.length, ...names.map((name) => [...name].length));
  const scores = learners.map(({score, max}) => `${score} of ${max}`);
  const scoreWidth = Math.max('score'.length, ...scores.map((score) => score.length));
  const keys = ids.map((_, at) => String(at + 1));
  const line = (name: string, score: string, marks: string[]): string =>
    `${name}${' '.repeat(width - [...name].length)}  ${score.padStart(scoreWidth)}  ${marks.map((mark, at) => mark.padEnd(Math.max(2, keys[at]!.length))).join(' ')}`.trimEnd();
  const rows = learners.map(({questions}, at) => {
    const byId = new Map(questions.map((question) => [question.id, question]));
    return line(
      names[at]!,
      scores[at]!,
      ids.map((id) => markOf(byId.get(id))),
    );
  });
  const problems = learners.flatMap((one, at) =>
    one.problems.map((problem) => `  ${names[at]}: ${clean(problemLine(problem))}`),
  );
  return [
    line('learner', 'score', keys),
    ...rows,
    ...(ids.length > 0 ? ['', ids.map((id, at) => `${at + 1} ${id}`).join('  '), legend] : []),
    ...(problems.length > 0
      ? ['', problems.length === 1 ? 'One problem:' : `${problems.length} problems:`, ...problems]
      : []),
    '',
  ].join('\n');
}

function markOf(question: QuestionResult | undefined): string {
  if (!question) return '';
  return question.status === 'duplicated' ? `d${question.points}` : signs[question.status];
}

/** A name may hold anything but must not steer the terminal. */
function clean(text: string): string {
  return text.replace(/\p{C}/gu, '?');
}
