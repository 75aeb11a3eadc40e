/**
 * The Markdown cell of a question: its stem and its options, and nothing that gives
 * the answer away.
 */
import type {Question} from '../../lib/quiz/question';

/** The cell's source, without a line break at its end. */
export function questionCell(question: Question): string {
  const parts = [`### ${question.title}`, question.stem];
  if (question.kind === 'choice') {
    parts.push(
      question.options
        .map(({letter, text}) => `- **${letter}.** ${text.replace(/\n/g, '\n  ')}`)
        .join('\n'),
    );
    parts.push('Write your letter between the empty quotes below, then run the cell.');
  } else if (question.kind === 'numeric') {
    parts.push(
      `Write your number in place of \`null\` below${question.unit === '' ? '' : `, in ${question.unit}`}, then run the cell.`,
    );
  } else {
    parts.push(
      `Complete \`${question.functionName}\` below, then run the cell: it shows which of the visible tests pass.`,
    );
  }
  return parts.join('\n\n');
}
