import {tf} from '#lib/devices/register.js';
import {PNG} from 'pngjs';
import {describe, expect, it} from 'vitest';
import {pictures} from '#lib/notebook/pictures.js';
import type {View} from '#lib/notebook/view.js';
import {elements, imageOf} from './xml';

/** The red, green and blue of each pixel of the PNG that a view holds. */
function pixels(view: View): {width: number; height: number; at(x: number, y: number): number[]} {
  const image = PNG.sync.read(Buffer.from(view.outputs[0]!['image/png'] as Uint8Array));
  return {
    width: image.width,
    height: image.height,
    at: (x, y) => [
      ...image.data.subarray((y * image.width + x) * 4, (y * image.width + x) * 4 + 3),
    ],
  };
}

const gray = {
  values: Uint8Array.from({length: 3 * 2 * 2}, (_, index) => index * 20),
  shape: [3, 2, 2, 1],
  scale: 1 / 255,
};

describe('pictures', () => {
  it('are one PNG, a row after another', () => {
    const image = pixels(pictures(gray, {columns: 2}));
    expect([image.width, image.height]).toEqual([6, 6]);
    expect(image.at(0, 0)).toEqual([0, 0, 0]);
    expect(image.at(1, 1)).toEqual([60, 60, 60]);
    expect(image.at(4, 0)).toEqual([80, 80, 80]);
    expect(image.at(1, 5)).toEqual([220, 220, 220]);
  });

  it('take colour, and floats of 0..1 or of 0..255', () => {
    const red = {values: Float32Array.of(1, 0, 0.5), shape: [1, 1, 1, 3]};
    expect(pixels(pictures(red)).at(0, 0)).toEqual([255, 0, 128]);
    expect(
      pixels(pictures({values: Float32Array.of(255, 0, 127.6), shape: [1, 1, 1, 3]})).at(0, 0),
    ).toEqual([255, 0, 128]);
    expect(
      pixels(pictures({values: Float32Array.of(2, 0, 1), shape: [1, 1, 1, 3], scale: 0.5})).at(
        0,
        0,
      ),
    ).toEqual([255, 0, 128]);
    expect(
      pixels(pictures({values: Uint8Array.of(1, 0, 1), shape: [1, 1, 1, 3]})).at(0, 0),
    ).toEqual([1, 0, 1]);
  });

  it('take a tensor, read only what they show, and leave no tensor behind', () => {
    const tensor = tf.tensor(
      Array.from({length: 40}, (_, index) => index / 40),
      [10, 2, 2],
    );
    const before = tf.memory().numTensors;
    const view = pictures(tensor, {count: 4, columns: 4});
    expect(tf.memory().numTensors).toBe(before);
    expect(pixels(view).width).toBe(4 * 4 - 2);
    tensor.dispose();
  });

  it('say in words what they are, with the labels under them', () => {
    const view = pictures(gray, {
      labels: {values: Uint8Array.of(7, 2, 1, 9), shape: [4, 1]},
      caption: 'Three <digits>',
    });
    const {svg, alt} = imageOf(view.outputs[0]!['text/html']);
    expect(alt).toBe('Three &#60;digits&#62;: 3 pictures of 2 × 2 pixels, labelled 7, 2, 1.');
    expect(view.text).toBe('Three <digits>: 3 pictures of 2 × 2 pixels, labelled 7, 2, 1.');
    expect(elements(svg).filter((name) => name === 'image')).toHaveLength(3);
    expect(svg.match(/>[721]<\/text>/g)).toHaveLength(3);
  });

  it('refuse other shapes', () => {
    expect(() => pictures({values: new Uint8Array(4), shape: [2, 2]})).toThrow(
      /\[n, height, width, 1 or 3\]; it is \[2,2\]/,
    );
    expect(() => pictures({values: new Uint8Array(8), shape: [1, 2, 2, 2]})).toThrow(
      /it is \[1,2,2,2\]/,
    );
    expect(() => pictures({values: new Uint8Array(0), shape: [0, 2, 2, 1]})).toThrow(
      /BAD_DATA|shape must be/,
    );
  });
});
