/**
 * The one picture language: what rank n and each kind of span look like, in every
 * figure of the course.
 *
 * Every picture is drawn with dark ink on a light card of its own: a picture cannot know
 * JupyterLab's theme (no script runs in an untrusted notebook, and `prefers-color-scheme` follows
 * the system, not the Lab), and no single ink has AA contrast for text on both #fff and #111. The
 * rank colours are middle tones, 3:1 or more on the card and on both themes. Nothing is said by
 * colour alone: with a colour always comes a pattern, a dash and a marker, and a name in letters.
 */
import type {SpanKind} from '../trace/spans';

/** The card, what is written on it, and the lines that carry no meaning of their own. */
export const paper = {
  card: '#fdfcf8',
  edge: '#c9c4b6',
  ink: '#23211c',
  faint: '#5d594e',
  grid: '#e4e0d4',
} as const;

export const fontFamily =
  'system-ui, -apple-system, "Segoe UI", "Liberation Sans", Arial, sans-serif';

/** JupyterLab's own backgrounds behind a cell's output, light and dark. */
export const labBackgrounds = {light: '#ffffff', dark: '#111111', darkRow: '#212121'} as const;

/** plotly.js's names of fill patterns, none first. */
export type Pattern = '' | '/' | '\\' | 'x' | '-' | '|' | '+' | '.';
/** plotly.js's names of line styles. */
export type Dash = 'solid' | 'dash' | 'dot' | 'dashdot' | 'longdash' | 'longdashdot';

/**
 * How one rank looks: as an area (color, pattern), as a line (color, dash), as a point (color,
 * symbol), and in words.
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
 * The look of rank `n` (0 and up). After eight ranks the colours begin again with other patterns:
 * 64 pairs before one comes back.
 */
export function rankStyle(n: number): RankStyle {
  const turn = n + Math.floor(n / rankColors.length);
  return {
    label: `rank ${n}`,
    color: rankColors[n % rankColors.length]!,
    pattern: patterns[turn % patterns.length]!,
    dash: dashes[turn % dashes.length]!,
    symbol: symbols[turn % symbols.length]!,
  };
}

/**
 * How one kind of span looks: a pale fill with a dark edge (a rank's fill is a middle tone), a
 * pattern, a letter and its words.
 */
export interface KindStyle {
  label: string;
  letter: string;
  fill: string;
  edge: string;
  pattern: Pattern;
}

/** In the order in which figures list them. */
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

/** WCAG's contrast ratio of two `#rrggbb` colours, 1 to 21 (WCAG 2.2, relative luminance). */
export function contrast(one: string, other: string): number {
  const [low, high] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (high! + 0.05) / (low! + 0.05);
}

function luminance(color: string): number {
  const channel = (at: number): number => {
    const value = parseInt(color.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  };
  return 0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5);
}
