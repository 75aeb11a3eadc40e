/**
 * A drawing as a view, and as an SVG file to keep.
 */
import {mkdirSync, writeFileSync} from 'node:fs';
import {dirname} from 'node:path';
import {ManyHandsError, shown} from '../base/errors';
import {escapeHtml, imageHtml} from './html';
import {View} from './view';

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
