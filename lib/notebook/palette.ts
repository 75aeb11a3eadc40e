/**
 * The look of each rank and of each kind of span, the same in every figure of the course.
 *
 * Every picture has dark ink on its own light card, because a picture cannot know JupyterLab's
 * theme: no script runs in an untrusted notebook, and `prefers-color-scheme` follows the system, not
 * the Lab. No single ink has AA contrast for text on both #fff and #111. The rank colours are middle
 * tones with a contrast of 3:1 or more on the card and on both themes. Colour never carries meaning
 * alone: a pattern, a dash, a marker and a label always come with it.
 */
import type {SpanKind} from '../trace/spans';

/** Colours of the card, of the text on it, and of lines without a meaning. */
export const paper = {
  card: '#fdfcf8',
  edge: '#c9c4b6',
  ink: '#23211c',
  faint: '#5d594e',
  grid: '#e4e0d4',
} as const;

export const fontFamily =
  'system-ui, -apple-system, "Segoe UI", "Liberation Sans", Arial, sans-serif';

/** JupyterLab's backgrounds behind a cell's output in its light and dark themes. */
export const labBackgrounds = {light: '#ffffff', dark: '#111111', darkRow: '#212121'} as const;

/** plotly.js's names of fill patterns; '' is a plain fill. */
export type Pattern = '' | '/' | '\\' | 'x' | '-' | '|' | '+' | '.';
/** plotly.js's names of line styles. */
type Dash = 'solid' | 'dash' | 'dot' | 'dashdot' | 'longdash' | 'longdashdot';

/**
 * The look of a rank as an area (color, pattern), a line (color, dash) and a point (color, symbol),
 * and its label.
 */
export interface RankStyle {
  label: string;
  color: string;
  pattern: Pattern;
  dash: Dash;
  symbol: string;
}

export const rankColors = [
  '#2878b8',
  '#c45f12',
  '#2c8a57',
  '#b0539f',
  '#8c7a14',
  '#cc4654',
  '#12868c',
  '#8a6a55',
] as const;
const patterns: readonly Pattern[] = ['', '/', '.', 'x', '-', '\\', '|', '+'];
const dashes: readonly Dash[] = ['solid', 'dash', 'dot', 'dashdot', 'longdash', 'longdashdot'];
const symbols = [
  'circle',
  'square',
  'diamond',
  'triangle-up',
  'x',
  'cross',
  'star',
  'pentagon',
] as const;

/**
 * The look of rank `n`, from 0. After eight ranks the colours begin again with other patterns, so
 * that the first 64 ranks differ.
 */
export function rankStyle(n: number): RankStyle {
  const patternIndex = n + Math.floor(n / rankColors.length);
  return {
    label: `rank ${n}`,
    color: rankColors[n % rankColors.length],
    pattern: patterns[patternIndex % patterns.length],
    dash: dashes[patternIndex % dashes.length],
    symbol: symbols[patternIndex % symbols.length],
  };
}

/**
 * The look of a kind of span: a pale fill with a dark edge, where a rank has a middle tone, a
 * pattern, a letter and a label.
 */
export interface KindStyle {
  label: string;
  letter: string;
  fill: string;
  edge: string;
  pattern: Pattern;
}

/** The looks of all kinds of span, in the order in which figures list them. */
export const kindStyles: Readonly<Record<SpanKind, KindStyle>> = {
  input: {label: 'input', letter: 'I', fill: '#e9e2c8', edge: '#756622', pattern: '.'},
  forward: {label: 'forward', letter: 'F', fill: '#c4dcf0', edge: '#23618f', pattern: ''},
  backward: {label: 'backward', letter: 'B', fill: '#f6d3b8', edge: '#9a4a10', pattern: '/'},
  update: {label: 'update', letter: 'U', fill: '#c8e6d2', edge: '#22704a', pattern: '-'},
  communication: {
    label: 'communication',
    letter: 'C',
    fill: '#e8cfe4',
    edge: '#86407a',
    pattern: '\\',
  },
  wait: {label: 'waiting', letter: 'W', fill: '#fdfcf8', edge: '#6d685c', pattern: '|'},
  noCore: {
    label: 'ready, but no core',
    letter: 'N',
    fill: '#dcd9d0',
    edge: '#23211c',
    pattern: 'x',
  },
};

/** The look of a kind of span. */
export function kindStyle(kind: SpanKind): KindStyle {
  return kindStyles[kind];
}

/** A pale mix of a colour with white, on which ink keeps AA contrast. */
export function tint(color: string): string {
  const mixed = [1, 3, 5].map((start) =>
    Math.round(255 - (255 - parseInt(color.slice(start, start + 2), 16)) * 0.22),
  );
  return `#${mixed.map((channel) => channel.toString(16).padStart(2, '0')).join('')}`;
}

/** The contrast ratio of two `#rrggbb` colours, 1 to 21 (WCAG 2.2, relative luminance). */
export function contrast(first: string, second: string): number {
  const [low, high] = [luminance(first), luminance(second)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}

function luminance(color: string): number {
  const channel = (start: number): number => {
    const value = parseInt(color.slice(start, start + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
}
