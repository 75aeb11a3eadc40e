/**
 * Markdown as HTML for quiz cards.
 */
import type MarkdownIt from 'markdown-it';
import {loadOptional} from '../base/optionalPackage';

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
  const create = loadOptional<typeof import('markdown-it')>('markdown-it', {
    who: 'A quiz card is drawn with',
  });
  return new create({html: false, linkify: false, typographer: false});
}
