import {describe, expect, it} from 'vitest';
import {table} from '#lib/notebook/table.js';

const rows = [
  {model: 'MLP <1>', speed: 12345.6, weights: 7_454_760, fits: true},
  {model: 'convnet', speed: null, weights: 12, fits: false},
];

describe('table', () => {
  const view = table(rows, {caption: 'Two models', units: {speed: 'samples/s', weights: 'bytes'}});
  const html = String(view.outputs[0]!['text/html']);

  it('has a caption, heads with scope and units, and escapes words', () => {
    expect(html).toMatch(/^<table><caption[^>]*>Two models<\/caption>/);
    expect(html.match(/<th scope="col"/g)).toHaveLength(4);
    expect(html).toContain('speed (samples/s)');
    expect(html).toMatch(/<th scope="row"[^>]*>MLP &#60;1&#62;<\/th>/);
    expect(html).not.toMatch(/<(style|script|svg)/);
  });

  it('sets numbers to the right, in the unit that fits, and says what is not there', () => {
    expect(html).toContain('<td style="text-align: right">12,346</td>');
    expect(html).toContain('<td style="text-align: right">7.45 MB</td>');
    expect(html).toContain('<td style="text-align: right">–</td>');
    expect(html).toContain('<td style="text-align: left">no</td>');
  });

  it('is the same in letters', () => {
    expect(view.text).toBe(
      [
        'Two models',
        'model    speed (samples/s)  weights  fits',
        '-------  -----------------  -------  ----',
        'MLP <1>             12,346  7.45 MB  yes',
        'convnet                  –     12 B  no',
      ].join('\n'),
    );
  });

  it('takes columns in the order given, with other heads', () => {
    const narrow = table(rows, {
      caption: 'c',
      columns: {weights: 'bytes of weights', model: 'name'},
    });
    expect(narrow.text.split('\n')[1]).toBe('bytes of weights  name');
    expect(table(rows, {caption: 'c', columns: ['fits']}).text.split('\n')[1]).toBe('fits');
  });

  it('refuses a column that no row has', () => {
    expect(() => table(rows, {caption: 'c', columns: ['sped']})).toThrow(
      /no row has a column "sped".*model, speed, weights, fits/,
    );
    expect(() => table(rows, {caption: 'c', units: {sped: 's'}})).toThrow(/"sped"/);
  });
});
