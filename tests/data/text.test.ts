import {describe, expect, it} from 'vitest';
import {
  textTokens,
  decodeText,
  encodeText,
  textCorpus,
  textModule,
  TEXT_VOCABULARY,
} from '#lib/data/text.js';

describe('the tokens', () => {
  it('are 96 characters, and text comes back', () => {
    expect(TEXT_VOCABULARY.length).toBe(96);
    expect(new Set(TEXT_VOCABULARY).size).toBe(96);
    expect([...encodeText(TEXT_VOCABULARY.join(''))]).toEqual(
      TEXT_VOCABULARY.map((_, token) => token),
    );
    const text = 'interface Array<T> {\n    length: number; // ~!@#$%^&*()\n}\n';
    expect(decodeText(encodeText(text))).toBe(text);
  });
  it('have a place for every other character', () => {
    expect(decodeText(encodeText('a\tb\r\nü€'))).toBe('a b\n??');
    expect(() => decodeText([96])).toThrow(/from 0 to 95.*96/);
  });
});

describe('textCorpus', () => {
  it('is the text of the installed TypeScript', () => {
    const tokens = textTokens();
    expect(tokens.length).toBeGreaterThan(2_000_000);
    expect(tokens.every((token) => token < 96)).toBe(true);
    const text = decodeText(tokens);
    expect(text).toContain('interface Array<T> {');
    expect(text.split('?').length / text.length).toBeLessThan(0.01);
  });
  it('gives windows and the token that follows each', () => {
    const {xs, ys} = textCorpus({sequence: 32, samples: 50, seed: 3});
    expect([xs.shape, ys.shape]).toEqual([
      [50, 32],
      [50, 32, 1],
    ]);
    const text = decodeText(textTokens());
    for (let i = 0; i < 50; i++) {
      const x = xs.values.subarray(i * 32, (i + 1) * 32);
      const y = ys.values.subarray(i * 32, (i + 1) * 32);
      expect([...y.subarray(0, 31)]).toEqual([...x.subarray(1)]);
      expect(text).toContain(decodeText([...x, y[31]]));
    }
  });
  it('repeats by seed, and keeps its test part apart', () => {
    const draw = (seed: number, part?: 'train' | 'test') =>
      decodeText(textCorpus({sequence: 200, samples: 3, seed, part}).xs.values);
    expect(draw(1)).toBe(draw(1, 'train'));
    expect(draw(1)).not.toBe(draw(2));
    const split = Math.floor(textTokens().length * 0.9);
    const [train, test] = [
      decodeText(textTokens().subarray(0, split)),
      decodeText(textTokens().subarray(split)),
    ];
    expect(train).toContain(draw(1).slice(0, 200));
    expect(test).toContain(draw(1, 'test').slice(0, 200));
  });
  it('refuses what cannot be', () => {
    expect(() => textCorpus({sequence: 0, samples: 1, seed: 1})).toThrow(
      /sequence must be a whole number from 1;/,
    );
    expect(() => textCorpus({sequence: 1e9, samples: 1, seed: 1})).toThrow(
      /sequence must be a whole number from 1 to/,
    );
    expect(() => textCorpus({sequence: 4, samples: 1, seed: 0.5})).toThrow(/seed/);
    expect(() => textCorpus({sequence: 4, samples: 1, seed: 1, part: 'all' as 'test'})).toThrow(
      /'train' or 'test'/,
    );
  });
  it('is opened by whoever imports its module', async () => {
    const options = {sequence: 8, samples: 2, seed: 5};
    const {module, export: name, args} = textModule(options);
    const opened = (
      (await import(module)) as Record<string, (options: unknown) => ReturnType<typeof textCorpus>>
    )[name!](args);
    expect([...opened.xs.values]).toEqual([...textCorpus(options).xs.values]);
  });
});
