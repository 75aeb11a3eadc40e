/**
 * The cards that quiz cells show, as HTML and as text: pure functions, no display.
 *
 * The HTML sets no colour and takes the theme's text and border colours, because JupyterLab drops
 * `var(...)` colours in an untrusted notebook. A sign and a word replace the colour.
 */
import {detailsHtml, escapeHtml} from '../notebook/markup';
import {renderMarkdown} from '../notebook/markdown';
import type {QuestionBase} from './question';
import type {Judgement} from './judge';

/** An output as HTML and as text. */
export interface Card {
  html: string;
  text: string;
}

/** A part of a card: `body` is Markdown, and the learner opens a `folded` part. */
export interface CardPart {
  label: string;
  body: string;
  folded?: boolean;
}

type Sign = '✓' | '✗' | '○' | '!';
/** A border for each sign, so that cards differ at a glance without colour. */
const borders: Record<Sign, string> = {
  '✓': '6px solid',
  '✗': '6px double',
  '○': '6px dotted',
  '!': '6px dashed',
};

/** Makes a card of a sign, a headline, and parts under them. */
export function card(sign: Sign, headline: string, parts: readonly CardPart[] = []): Card {
  const body = parts.map(({label, body: markdown, folded}) => {
    const inner = renderMarkdown(markdown);
    return folded
      ? detailsHtml(label, inner)
      : `<div><strong>${escapeHtml(label)}</strong>${inner}</div>`;
  });
  const style = `border: 1px solid; border-left: ${borders[sign]}; padding: 4px 14px; margin: 4px 0; max-width: 50em`;
  return {
    html: `<div class="many-hands-quiz" style="${style}"><p><strong>${sign} ${escapeHtml(headline)}</strong></p>${body.join('')}</div>`,
    text: [
      `${sign} ${headline}`,
      ...parts.map(({label, body: markdown}) => `${label}\n${indented(markdown)}`),
    ].join('\n'),
  };
}

function indented(text: string): string {
  return text
    .split('\n')
    .map((line) => `  ${line}`.trimEnd())
    .join('\n');
}

/** The worked solution and the quick check, as parts of a practice card. */
export function solutionParts(question: QuestionBase, folded: boolean): CardPart[] {
  const steps = question.solution
    .map((step, index) => `${index + 1}. ${step.replace(/\n/g, '\n   ')}`)
    .join('\n');
  return [
    {label: 'The solution, in steps', body: steps, folded},
    {label: 'Quick check', body: question.quickCheck, folded},
  ];
}

/** The card of a judged answer. */
export function answerCard(question: QuestionBase, judged: Judgement): Card {
  const {status, answer, mistake, message} = judged;
  if (status === 'unanswered') return card('○', message);
  if (status === 'unreadable') return card('!', `${message} Nothing was recorded.`);
  if (question.mode === 'assessed') return card('○', `recorded: ${answer}`);
  if (status === 'right') return card('✓', `Right: ${answer}.`, solutionParts(question, false));
  return card('✗', `Not right: ${answer}.`, [
    // The learner has the text of the option on the page and needs only the mistake behind it.
    ...(mistake === null ? [] : [{label: 'The mistake behind it', body: mistake}]),
    {label: 'Read again', body: question.readAgain},
    ...solutionParts(question, true),
  ]);
}
