/**
 * `View`, the form in which tables, figures, pictures and drawings come, and the functions that show
 * and save it.
 */
import {mkdirSync, writeFileSync} from 'node:fs';
import {dirname} from 'node:path';
import {inspect} from 'node:util';
import {ManyHandsError, shown} from '../base/errors';
import {showBundle, type MimeBundle} from './display';
import {escapeHtml, imageHtml} from './markup';

/**
 * One or more outputs for a cell, each with a `text/plain` form that says the same in words.
 */
export class View {
  constructor(readonly outputs: readonly MimeBundle[]) {}

  /** The words of all outputs: what a terminal shows. */
  get text(): string {
    return this.outputs
      .map((output) => String(output['text/plain'] ?? ''))
      .filter(Boolean)
      .join('\n');
  }

  /** A view that is the last value of a cell prints its words. */
  [inspect.custom](): string {
    return this.text;
  }
}

/** Shows a view in the running cell; outside a notebook, prints its words. */
export function show(view: View): void {
  for (const output of view.outputs) showBundle(output);
}

/** A view of an SVG drawing; `saveDrawing` writes it to a file. */
export class Drawn extends View {
  /**
   * `alt` describes the picture to readers who cannot see it, and `text` replaces it in a terminal.
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
 * Writes a drawing to `path` as an SVG file, creates its folder if needed, and returns the path.
 * Throws BAD_OPTION for a view that is not a drawing, and any error of the file system.
 */
export function saveDrawing(drawing: View, path: string): string {
  if (!(drawing instanceof Drawn))
    throw new ManyHandsError(
      'BAD_OPTION',
      `saveDrawing writes a drawing, such as decisionCard(); it got ${shown(drawing)}. Use saveFigure for a figure.`,
    );
  mkdirSync(dirname(path), {recursive: true});
  writeFileSync(path, drawing.svg);
  return path;
}
