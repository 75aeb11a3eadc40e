/**
 * Markdown as HTML for quiz cards.
 */
import type MarkdownIt from 'markdown-it';

let renderer: MarkdownIt.MarkdownIt | undefined;

/**
 * Markdown as safe HTML: raw HTML in it stands there as text, and a link to a script is no link
 * (markdown-it's own checks).
 */
export function renderMarkdown(text: string): string {
  renderer ??= newRenderer();
  return renderer.render(text);
}

function newRenderer(): MarkdownIt.MarkdownIt {
  // Loaded when the first card is shown, so that importing many-hands stays quick.
  const create = require('markdown-it') as typeof import('markdown-it');
  return new create({html: false, linkify: false, typographer: false});
}
