/**
 * `grades.csv`: a row a learner, a column a question (RFC 4180: quoted where a comma,
 * a quote or a line break stands).
 */
import type {LearnerResult} from './results';
import {problemLine} from './results';

/**
 * The table; `ids` are its question columns. A question of a notebook that a learner did not hand
 * in stays empty.
 */
export function gradesCsv(learners: readonly LearnerResult[], ids: readonly string[]): string {
  const rows = learners.map(({learner, score, max, questions, problems}) => {
    const points = new Map(questions.map((question) => [question.id, question.points]));
    return [
      learner,
      ...ids.map((id) => points.get(id) ?? ''),
      score,
      max,
      problems.map(problemLine).join('; '),
    ];
  });
  return [['learner', ...ids, 'score', 'max', 'problems'], ...rows]
    .map((row) => `${row.map(field).join(',')}\n`)
    .join('');
}

function field(value: string | number): string {
  if (typeof value === 'number') return String(value);
  // A spreadsheet would run a text that begins like a formula: an apostrophe keeps it a text.
  const text = /^[=+\-@\t\r\n]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text;
}
