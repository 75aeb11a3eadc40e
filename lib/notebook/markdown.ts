/**
 * Renders Markdown as HTML for quiz cards.
 */
import type MarkdownIt from 'markdown-it';
import {loadOptional} from '../base/optionalPackage';

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
  // Loaded when the first card is shown, so that importing many-hands stays quick.
  const create = loadOptional<typeof import('markdown-it')>('markdown-it', {
    who: 'A quiz card is drawn with',
  });
  return new create({html: false, linkify: false, typographer: false});
}
