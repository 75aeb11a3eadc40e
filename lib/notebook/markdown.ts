/**
 * Renders Markdown as HTML for quiz cards.
 */
import type MarkdownIt from 'markdown-it';

let renderer: MarkdownIt.MarkdownIt | undefined;

/**
 * Renders Markdown as safe HTML: raw HTML becomes text, and a link to a script is not made a link
 * (markdown-it checks both).
 */
export function renderMarkdown(text: string): string {
  renderer ??= newRenderer();
  return renderer.render(text);
}

function newRenderer(): MarkdownIt.MarkdownIt {
  // Loaded for the first card, so that importing many-hands stays quick.
  const create = require('markdown-it') as typeof import('markdown-it');
  return new create({html: false, linkify: false, typographer: false});
}
