/**
 * Samples as pictures: digits, road frames, with their labels under them.
 */
import type * as tf from '@tensorflow/tfjs';
import type {PNG as PngLibrary} from 'pngjs';
import type {ShapedArray} from '../base/arrays';
import {ManyHandsError, shown} from '../base/errors';
import {
  anything,
  aString,
  positiveNumber,
  readOptions,
  wholeNumber,
  type OptionTable,
} from '../base/options';
import {escapeHtml, imageHtml} from './html';
import {card, element, text} from './svg';
import {View} from './view';

/** What stands around the pictures, and how many are shown. */
export interface PictureOptions {
  /** What the pictures are, in a few words; stands above them and begins their alt text. */
  caption?: string;
  /** A label for each picture, from the first: a list, or the data's own `ys`. */
  labels?: ArrayLike<string | number> | ShapedArray;
  /** How many are shown, from the first; default 24. */
  count?: number;
  /** Pictures in a row; default as many as fit 680 pixels. */
  columns?: number;
  /** How many screen pixels a pixel takes, each way; default so that a picture has 84 or more. */
  scale?: number;
}

const OPTIONS: OptionTable<PictureOptions> = {
  'caption?': aString,
  'labels?': anything,
  'count?': wholeNumber(0),
  'columns?': wholeNumber(1),
  'scale?': positiveNumber('screen pixels'),
};

interface Grid {
  count: number;
  height: number;
  width: number;
  channels: 1 | 3;
  values: ArrayLike<number>;
  /** Takes a value to 0..255. */
  gain: number;
}

/**
 * Pictures of shape [n, height, width, 1 or 3] (or [n, height, width]), values 0..255 or 0..1, as
 * one view. A ShapedArray's `scale` says which; without it, values that are all at most 1 are taken
 * as 0..1. Throws BAD_DATA for any other shape.
 */
export function pictures(source: tf.Tensor | ShapedArray, options: PictureOptions = {}): View {
  readOptions('pictures', options, OPTIONS);
  const grid = gridOf(source, options.count ?? 24);
  const scale = options.scale ?? Math.ceil(84 / Math.max(grid.height, grid.width));
  const tile = {width: grid.width * scale, height: grid.height * scale};
  const given = options.labels ?? [];
  const labels = Array.from<string | number>(
    'shape' in given ? given.values.subarray(0, grid.count) : given,
  )
    .slice(0, grid.count)
    .map(String);
  const gap = 10;
  const below = labels.length > 0 ? 20 : 0;
  // A letter of a label is about 7.5 pixels wide: long labels set their pictures further apart.
  const column = gap + Math.max(tile.width, ...labels.map((label) => label.length * 7.5));
  const fit = Math.max(1, Math.floor(680 / column));
  // Rows of about the same length: 16 where 7 fit are 6, 6 and 4.
  const columns = Math.max(
    1,
    Math.min(grid.count, options.columns ?? Math.ceil(grid.count / Math.ceil(grid.count / fit))),
  );
  const rows = Math.ceil(grid.count / columns);
  const caption = options.caption ?? `${grid.count} pictures`;
  const alt = `${caption}: ${grid.count} pictures of ${grid.width} × ${grid.height} pixels${labels.length > 0 ? `, labelled ${labels.join(', ')}` : ''}.`;
  const place = (index: number): {x: number; y: number} => ({
    x: gap + (index % columns) * column + (column - gap - tile.width) / 2,
    y: gap + Math.floor(index / columns) * (tile.height + below + gap),
  });
  const size = {width: gap + columns * column, height: gap + rows * (tile.height + below + gap)};
  const drawn = Array.from({length: grid.count}, (_, index) => {
    const {x, y} = place(index);
    const href = `data:image/png;base64,${png(grid, [index], 1).toString('base64')}`;
    const label = labels[index];
    return (
      element('image', {x, y, ...tile, href, style: 'image-rendering: pixelated'}) +
      (label === undefined
        ? ''
        : text(x + tile.width / 2, y + tile.height + 15, label, {'text-anchor': 'middle'}))
    );
  });
  const html = `<p><strong>${escapeHtml(caption)}</strong></p><p>${imageHtml({mime: 'image/svg+xml', bytes: card(size.width, size.height, alt, drawn.join('')), alt, ...size})}</p>`;
  const all = Array.from({length: grid.count}, (_, index) => index);
  return new View([{'text/html': html, 'image/png': png(grid, all, columns), 'text/plain': alt}]);
}

function gridOf(source: tf.Tensor | ShapedArray, most: number): Grid {
  const [n, height, width, channels = 1] = source.shape;
  if (
    source.shape.length < 3 ||
    source.shape.length > 4 ||
    !n ||
    !height ||
    !width ||
    (channels !== 1 && channels !== 3)
  ) {
    throw new ManyHandsError(
      'BAD_DATA',
      `pictures: the shape must be [n, height, width, 1 or 3]; it is ${shown(source.shape)}.`,
    );
  }
  const count = Math.min(n, most);
  const used = count * height * width * channels;
  const values = 'values' in source ? source.values.subarray(0, used) : firstValues(source, count);
  let highest = -Infinity;
  for (let at = 0; at < used; at++) highest = Math.max(highest, values[at]!);
  const scale = 'values' in source ? source.scale : undefined;
  const gain =
    scale !== undefined ? scale * 255 : values instanceof Uint8Array || highest > 1 ? 1 : 255;
  return {count, height, width, channels, values, gain};
}

function firstValues(tensor: tf.Tensor, count: number): ArrayLike<number> {
  const part = tensor.slice(0, count);
  try {
    return part.dataSync();
  } finally {
    part.dispose();
  }
}

/**
 * The pictures `which`, `columns` in a row, two pixels between them where there are several, as a
 * PNG file.
 */
function png(
  {height, width, channels, values, gain}: Grid,
  which: readonly number[],
  columns: number,
): Buffer {
  const {PNG} = require('pngjs') as {PNG: typeof PngLibrary};
  const gap = which.length > 1 ? 2 : 0;
  const rows = Math.ceil(which.length / columns);
  const image = new PNG({
    width: columns * (width + gap) - gap,
    height: rows * (height + gap) - gap,
  });
  image.data.fill(0);
  which.forEach((picture, at) => {
    const left = (at % columns) * (width + gap);
    const top = Math.floor(at / columns) * (height + gap);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const from = ((picture * height + y) * width + x) * channels;
        const to = ((top + y) * image.width + left + x) * 4;
        for (let channel = 0; channel < 3; channel++) {
          const value = values[from + (channels === 3 ? channel : 0)]! * gain;
          image.data[to + channel] = Math.max(0, Math.min(255, Math.round(value)));
        }
        image.data[to + 3] = 255;
      }
    }
  });
  return PNG.sync.write(image);
}
