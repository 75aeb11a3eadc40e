/**
 * A learner's feedback page: one HTML file that needs nothing else, in the reader's
 * own light or dark theme.
 */
import {escapeHtml} from '../../lib/notebook/markup';
import {renderMarkdown} from '../../lib/notebook/markdown';
import type {Bank} from '../../lib/quiz/bank';
import type {AnsweredQuestion} from '../../lib/quiz/question';
import {judge} from '../../lib/quiz/judge';
import {problemLine, type LearnerResult, type QuestionResult, type Status} from './results';

const words: Record<Status, string> = {
  right: '✓ right',
  partly: '◐ partly right',
  wrong: '✗ wrong',
  unanswered: '○ not answered',
  missing: '! missing',
  duplicated: '! answered more than once',
  edited: '! cannot be read',
};

const style = `
:root { color-scheme: light dark; --paper: #fdfcf8; --ink: #23211c; --edge: #6d685c; }
@media (prefers-color-scheme: dark) { :root { --paper: #1b1a17; --ink: #ece8dd; --edge: #a8a296; } }
body { margin: 2rem auto; padding: 0 1rem; max-width: 46rem; background: var(--paper); color: var(--ink); font: 1rem/1.55 system-ui, "Liberation Sans", Arial, sans-serif; overflow-wrap: break-word; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin: 0; } h3 { font-size: 1rem; margin-bottom: .2rem; }
section { border: 1px solid var(--edge); border-left-width: 6px; padding: .8rem 1.2rem; margin: 1.2rem 0; }
section.right { border-left-style: solid; } section.wrong { border-left-style: double; } section.other { border-left-style: dashed; }
.status { font-weight: bold; margin: .2rem 0; }
ol.options { list-style: none; padding-left: 0; } ol.options p { display: inline; }
code { font-family: ui-monospace, "Liberation Mono", monospace; }`;

const rendered = new Map<string, string>();

/** The bank's Markdown as HTML, each text once for all learners. */
function html(markdown: string): string {
  let made = rendered.get(markdown);
  if (made === undefined) rendered.set(markdown, (made = renderMarkdown(markdown)));
  return made;
}

/** The page as HTML. Whatever comes from a submission is escaped. */
export function feedbackPage(
  bank: Bank,
  {learner, score, max, questions, problems}: LearnerResult,
): string {
  const cards = questions.map((result) => {
    const question = bank.find(result.id);
    return question && question.kind !== 'code' ? section(question, result) : '';
  });
  const list = problems.map((problem) => `<li>${escapeHtml(problemLine(problem))}</li>`).join('\n');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(learner)}: ${score} of ${max}</title>
<style>${style}</style>
</head>
<body>
<main>
<h1>${escapeHtml(learner)}: ${score} of ${max}</h1>
${problems.length > 0 ? `<h2>To look at</h2>\n<ul>\n${list}\n</ul>\n` : ''}${cards.join('\n')}
</main>
</body>
</html>
`;
}

function section(question: AnsweredQuestion, result: QuestionResult): string {
  const kind = result.status === 'right' || result.status === 'wrong' ? result.status : 'other';
  const given = result.answer === null ? '' : `: ${result.answer}`;
  const options = (question.kind === 'choice' ? question.options : []).map(({letter, text}) => {
    const chosen = letter === result.answer ? ' <em>(this answer)</em>' : '';
    return `<li><strong>${letter}.</strong> ${html(text)}${chosen}</li>`;
  });
  const note =
    result.status === 'right' || result.status === 'wrong'
      ? ''
      : `<p>${escapeHtml(result.message)}</p>`;
  return `<section class="${kind}">
<h2>${escapeHtml(question.title)}</h2>
<p class="status">${escapeHtml(`${words[result.status]}${given}`)} (${result.points} of ${result.max})</p>
${note}${html(question.stem)}${options.length > 0 ? `<ol class="options">\n${options.join('\n')}\n</ol>\n` : ''}${advice(question, result)}</section>`;
}

/** The mistake behind a letter, or behind a number as `withUnit` writes it. */
function mistakeBehind(question: AnsweredQuestion, answer: string): string | null {
  if (question.kind === 'choice') return judge(question, answer).mistake;
  const [number = '', ...unit] = answer.split(' ');
  return judge(question, Number(number.replace(/,/g, '')), unit.join(' ')).mistake;
}

/**
 * What to take from it. The page of an assessed question keeps the key to itself: others may still
 * answer it.
 */
function advice(question: AnsweredQuestion, result: QuestionResult): string {
  const behind =
    result.answer === null || result.status !== 'wrong'
      ? null
      : mistakeBehind(question, result.answer);
  const invalid =
    result.status === 'wrong' && result.answer === null
      ? `<p>${escapeHtml(result.message)}</p>\n`
      : '';
  const mistake = behind ? `<h3>The mistake behind it</h3>\n${html(behind)}` : '';
  const again =
    result.points < result.max ? `<h3>Read again</h3>\n${html(question.readAgain)}` : '';
  if (question.mode === 'assessed') return `${invalid}${again}`;
  const steps = question.solution
    .map((step, at) => `${at + 1}. ${step.replace(/\n/g, '\n   ')}`)
    .join('\n');
  return `${invalid}${mistake}${again}<details><summary>The solution, in steps</summary>\n${html(steps)}<p><strong>Quick check.</strong></p>\n${html(question.quickCheck)}</details>\n`;
}
