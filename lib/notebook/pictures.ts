/**
 * Shows samples as pictures, such as digits and road frames, with their labels.
 */
import type * as tf from '@tensorflow/tfjs';
import type {PNG as PngLibrary} from 'pngjs';
import type {ShapedArray} from '../base/arrays';
import {ManyHandsError, shown} from '../base/errors';
import {loadOptional} from '../base/optionalPackage';
import {escapeHtml, imageHtml, card, element, text} from './markup';
import {
  anything,
  aString,
  positiveNumber,
  readOptions,
  wholeNumber,
  type OptionTable,
} from '../base/options';
import {View} from './view';

/** How many pictures are shown, how large, and with which words. */
export interface PictureOptions {
  /** What the pictures are, in a few words; it stands above them and begins their alt text. */
  caption?: string;
  /** Labels from the first picture on: a list, or the `ys` of the data. */
  labels?: ArrayLike<string | number> | ShapedArray;
  /** The number of pictures shown, from the first on. @default 24 */
  count?: number;
  /** Pictures in a row. Default: as many as fit 680 pixels. */
  columns?: number;
  /**
   * Screen pixels per pixel of a picture, each way. Default: the smallest scale that makes pictures
   * 84 pixels or larger.
   */
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
  /** The factor that maps values to 0..255. */
  gain: number;
}

/**
 * Shows pictures of shape [n, height, width, 1 or 3] or [n, height, width] with values 0..255 or
 * 0..1. The `scale` of a ShapedArray tells the two ranges apart; without it, values that are all at
 * most 1 are taken as 0..1. Throws BAD_DATA for any other shape.
 */
export function pictures(source: tf.Tensor | ShapedArray, options: PictureOptions = {}): View {
  readOptions('pictures', options, OPTIONS);
  const grid = gridOf(source, options.count ?? 24);
  const scale = options.scale ?? Math.ceil(84 / Math.max(grid.height, grid.width));
  const tile = {width: grid.width * scale, height: grid.height * scale};
  const labelSource = options.labels ?? [];
  const labels = Array.from<string | number>(
    'shape' in labelSource ? labelSource.values.subarray(0, grid.count) : labelSource,
  )
    .slice(0, grid.count)
    .map(String);
  const gap = 10;
  const below = labels.length > 0 ? 20 : 0;
  // A letter of a label is about 7.5 pixels wide; long labels widen the columns.
  const column = gap + Math.max(tile.width, ...labels.map((label) => label.length * 7.5));
  const fit = Math.max(1, Math.floor(680 / column));
  // Rows of similar length: 16 pictures with room for 7 in a row make rows of 6, 6 and 4.
  const columns = Math.max(
    1,
    Math.min(grid.count, options.columns ?? Math.ceil(grid.count / Math.ceil(grid.count / fit))),
  );
  const rows = Math.ceil(grid.count / columns);
  const caption = options.caption ?? `${grid.count} pictures`;
  const alt = `${caption}: ${grid.count} pictures of ${grid.width} × ${grid.height} pixels${labels.length > 0 ? `, labelled ${labels.join(', ')}` : ''}.`;
  const positionOf = (index: number): {x: number; y: number} => ({
    x: gap + (index % columns) * column + (column - gap - tile.width) / 2,
    y: gap + Math.floor(index / columns) * (tile.height + below + gap),
  });
  const size = {width: gap + columns * column, height: gap + rows * (tile.height + below + gap)};
  const tiles = Array.from({length: grid.count}, (_, index) => {
    const {x, y} = positionOf(index);
    const href = `data:image/png;base64,${png(grid, [index], 1).toString('base64')}`;
    const label = labels[index];
    return (
      element('image', {x, y, ...tile, href, style: 'image-rendering: pixelated'}) +
      (label === undefined
        ? ''
        : text(x + tile.width / 2, y + tile.height + 15, label, {'text-anchor': 'middle'}))
    );
  });
  const html = `<p><strong>${escapeHtml(caption)}</strong></p><p>${imageHtml({mime: 'image/svg+xml', bytes: card(size.width, size.height, alt, tiles.join('')), alt, ...size})}</p>`;
  const indices = Array.from({length: grid.count}, (_, index) => index);
  return new View([
    {'text/html': html, 'image/png': png(grid, indices, columns), 'text/plain': alt},
  ]);
}

function gridOf(source: tf.Tensor | ShapedArray, wanted: number): Grid {
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
  const count = Math.min(n, wanted);
  const used = count * height * width * channels;
  const values = 'values' in source ? source.values.subarray(0, used) : firstValues(source, count);
  let highest = -Infinity;
  for (let i = 0; i < used; i++) highest = Math.max(highest, values[i]);
  const scale = 'values' in source ? source.scale : undefined;
  const byteScale = values instanceof Uint8Array || highest > 1 ? 1 : 255;
  const gain = scale === undefined ? byteScale : scale * 255;
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
 * A PNG file with the pictures of the given indices, `columns` in a row, with gaps of two pixels.
 */
function png(
  {height, width, channels, values, gain}: Grid,
  indices: readonly number[],
  columns: number,
): Buffer {
  const {PNG} = loadOptional<{PNG: typeof PngLibrary}>('pngjs', {
    who: 'pictures() writes PNG files with',
  });
  const gap = indices.length > 1 ? 2 : 0;
  const rows = Math.ceil(indices.length / columns);
  const image = new PNG({
    width: columns * (width + gap) - gap,
    height: rows * (height + gap) - gap,
  });
  image.data.fill(0);
  indices.forEach((picture, i) => {
    const left = (i % columns) * (width + gap);
    const top = Math.floor(i / columns) * (height + gap);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const from = ((picture * height + y) * width + x) * channels;
        const to = ((top + y) * image.width + left + x) * 4;
        for (let channel = 0; channel < 3; channel++) {
          const value = values[from + (channels === 3 ? channel : 0)] * gain;
          image.data[to + channel] = Math.max(0, Math.min(255, Math.round(value)));
        }
        image.data[to + 3] = 255;
      }
    }
  });
  return PNG.sync.write(image);
}
