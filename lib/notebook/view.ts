/**
 * What can be shown: a table, a figure, pictures and drawings all come as a `View`,
 * and `show` shows it.
 */
import {mkdirSync, writeFileSync} from 'node:fs';
import {dirname} from 'node:path';
import {inspect} from 'node:util';
import {ManyHandsError, shown} from '../base/errors';
import {showBundle, type MimeBundle} from './display';
import {escapeHtml, imageHtml} from './markup';

/**
 * Something to look at: one or more outputs, each with a `text/plain` form that says the same in
 * words.
 */
export class View {
  constructor(readonly outputs: readonly MimeBundle[]) {}

  /** The whole in words: what a terminal shows. */
  get text(): string {
    return this.outputs
      .map((output) => String(output['text/plain'] ?? ''))
      .filter(Boolean)
      .join('\n');
  }

  /** A view that is a cell's last value prints its words. */
  [inspect.custom](): string {
    return this.text;
  }
}

/** Shows a view in the running cell; outside a notebook prints its words. */
export function show(view: View): void {
  for (const output of view.outputs) showBundle(output);
}

/** A drawing that can be shown, and kept. */
export class Drawn extends View {
  /**
   * `text`: what is drawn, in words; `alt` is what the picture says to someone who does not see it.
   */
  constructor(
    readonly svg: string,
    {
      alt,
      width,
      height,
      caption,
      text = caption,
    }: {alt: string; width: number; height: number; caption: string; text?: string},
  ) {
    const image = imageHtml({mime: 'image/svg+xml', bytes: svg, alt, width, height});
    super([
      {
        'text/html': `<figure style="margin: 0">${image}<figcaption>${escapeHtml(caption)}</figcaption></figure>`,
        'text/plain': text,
      },
    ]);
  }
}

/**
 * Writes a drawing of the course to `path` as an SVG file, its folder too where there is none, and
 * returns the path. Throws BAD_OPTION for a view that is no drawing, and what the file system
 * throws.
 */
export function saveDrawing(drawing: View, path: string): string {
  if (!(drawing instanceof Drawn))
    throw new ManyHandsError(
      'BAD_OPTION',
      `saveDrawing writes a drawing, such as decisionCard(); it got ${shown(drawing)}. A figure is kept by saveFigure.`,
    );
  mkdirSync(dirname(path), {recursive: true});
  writeFileSync(path, drawing.svg);
  return path;
}
