/**
 * What a quiz cell shows, as HTML and in words: pure functions, no display.
 *
 * The HTML has no colour of its own: it takes the theme's text and border colour (JupyterLab drops
 * `var(...)` colours in an untrusted notebook), and a sign and a word say what a colour would.
 */
import {detailsHtml, escapeHtml} from '../notebook/markup';
import {renderMarkdown} from '../notebook/markdown';
import type {QuestionBase} from './question';
import type {Judgement} from './judge';

/** One output in both its forms. */
export interface Card {
  html: string;
  text: string;
}

/** A part of a card: `body` is Markdown; `folded` is what the learner opens. */
export interface CardPart {
  label: string;
  body: string;
  folded?: boolean;
}

type Sign = '✓' | '✗' | '○' | '!';
/** One border a sign, so that cards differ at a glance without a colour. */
const borders: Record<Sign, string> = {
  '✓': '6px solid',
  '✗': '6px double',
  '○': '6px dotted',
  '!': '6px dashed',
};

/** A card: a sign, a headline, and the parts under it. */
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

/** The worked solution, the quick check, as the parts of a practice card. */
export function solutionParts(question: QuestionBase, folded: boolean): CardPart[] {
  const steps = question.solution
    .map((step, at) => `${at + 1}. ${step.replace(/\n/g, '\n   ')}`)
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
    // The text of the option was on the page already; what the learner lacks is the mistake behind
    // it.
    ...(mistake === null ? [] : [{label: 'The mistake behind it', body: mistake}]),
    {label: 'Read again', body: question.readAgain},
    ...solutionParts(question, true),
  ]);
}
