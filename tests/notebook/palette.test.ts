import {describe, expect, it} from 'vitest';
import {
  contrast,
  kindStyle,
  kindStyles,
  labBackgrounds,
  paper,
  rankColors,
  rankStyle,
  tint,
} from '#lib/notebook/palette.js';
import type {SpanKind} from '#lib/trace/spans.js';

const text = 4.5;
const graphics = 3;
const kinds = Object.keys(kindStyles) as SpanKind[];

describe('contrast', () => {
  it("is WCAG's: 21 for black on white, 1 for a colour on itself", () => {
    expect(contrast('#000000', '#ffffff')).toBeCloseTo(21, 5);
    expect(contrast('#767676', '#ffffff')).toBeCloseTo(4.54, 2);
    expect(contrast('#2878b8', '#2878b8')).toBe(1);
  });

  it('of words on the card is AA', () => {
    expect(contrast(paper.ink, paper.card)).toBeGreaterThanOrEqual(text);
    expect(contrast(paper.faint, paper.card)).toBeGreaterThanOrEqual(text);
  });

  it.each([...rankColors])(
    'of rank colour %s is 3:1 on the card and on both themes of JupyterLab',
    (color) => {
      for (const ground of [paper.card, ...Object.values(labBackgrounds)])
        expect(contrast(color, ground)).toBeGreaterThanOrEqual(graphics);
      expect(contrast(paper.ink, tint(color))).toBeGreaterThanOrEqual(text);
    },
  );

  it.each(kinds)(
    'of %s: its edge is 3:1 on the card and on its fill, ink on its fill is AA',
    (kind) => {
      const {edge, fill} = kindStyle(kind);
      expect(contrast(edge, paper.card)).toBeGreaterThanOrEqual(graphics);
      expect(contrast(edge, fill)).toBeGreaterThanOrEqual(graphics);
      expect(contrast(paper.ink, fill)).toBeGreaterThanOrEqual(text);
    },
  );
});

describe('looks', () => {
  it('of 64 ranks are 64 different pairs of colour and pattern', () => {
    const looks = Array.from(
      {length: 64},
      (_, n) => `${rankStyle(n).color} ${rankStyle(n).pattern}`,
    );
    expect(new Set(looks).size).toBe(64);
  });

  it('of the first eight ranks differ without their colour, as area and as point', () => {
    const first = Array.from({length: 8}, (_, n) => rankStyle(n));
    expect(new Set(first.map(({pattern}) => pattern)).size).toBe(8);
    expect(new Set(first.map(({symbol}) => symbol)).size).toBe(8);
    expect(rankStyle(3)).toEqual(rankStyle(3));
    expect(rankStyle(12).label).toBe('rank 12');
  });

  it('of kinds differ without their colour', () => {
    expect(new Set(kinds.map((kind) => kindStyle(kind).pattern)).size).toBe(kinds.length);
    expect(new Set(kinds.map((kind) => kindStyle(kind).letter)).size).toBe(kinds.length);
  });
});
