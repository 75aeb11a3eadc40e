/**
 * The pieces of HTML and SVG that every output is made of.
 *
 * The HTML holds no script and no `<svg>`, because JupyterLab drops both in an untrusted notebook,
 * and gives text no colour, so that it takes the theme's.
 */
import {fontFamily, paper, type Pattern} from './palette';

/** Escapes text for an element or a quoted attribute of HTML or XML. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

/**
 * An `<img>` with the picture as a data URL and its alt text; trusted and untrusted notebooks show
 * it.
 */
export function imageHtml(image: {
  mime: string;
  bytes: Uint8Array | string;
  alt: string;
  width: number;
  height: number;
}): string {
  const {mime, bytes, alt, width, height} = image;
  const data = Buffer.from(bytes as string).toString('base64');
  // A fixed size and synchronous decoding: a picture that is replaced must not flicker or move the
  // page.
  return `<img src="data:${mime};base64,${data}" alt="${escapeHtml(alt)}" width="${width}" height="${height}" decoding="sync">`;
}

/** A section that the reader can open, such as the numbers of a chart. */
export function detailsHtml(summary: string, body: string): string {
  return `<details><summary>${escapeHtml(summary)}</summary>${body}</details>`;
}

/** Attributes of an SVG element; undefined leaves one out. */
export type Attributes = Readonly<Record<string, string | number | undefined>>;

/** One SVG element; numbers are rounded to a tenth of a pixel. */
export function element(name: string, attributes: Attributes, content = ''): string {
  const attributeText = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(
      ([key, value]) =>
        ` ${key}="${typeof value === 'number' ? Number(value.toFixed(1)) : escapeHtml(String(value))}"`,
    )
    .join('');
  return content === ''
    ? `<${name}${attributeText}/>`
    : `<${name}${attributeText}>${content}</${name}>`;
}

/** A text element at a point. */
export function text(x: number, y: number, words: string, attributes: Attributes = {}): string {
  return element(
    'text',
    {x, y, fill: paper.ink, 'font-size': 13, ...attributes},
    escapeHtml(words),
  );
}

/** A straight line between two points. */
export function line(
  x1: number,
  y1: number,
  x2: number,
  y2: number,
  attributes: Attributes = {},
): string {
  return element('line', {x1, y1, x2, y2, stroke: paper.ink, 'stroke-width': 1.5, ...attributes});
}

/** A line through points `[x, y]`. */
export function polyline(
  points: readonly (readonly [number, number])[],
  attributes: Attributes = {},
): string {
  const joined = points
    .map(([x, y]) => `${Number(x.toFixed(1))},${Number(y.toFixed(1))}`)
    .join(' ');
  return element('polyline', {
    points: joined,
    fill: 'none',
    stroke: paper.ink,
    'stroke-width': 2,
    'stroke-linejoin': 'round',
    ...attributes,
  });
}

/**
 * An SVG document of `width` by `height` pixels: a light card with a thin edge, with `title` for
 * screen readers.
 */
export function card(width: number, height: number, title: string, content: string): string {
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" ` +
    `role="img" font-family='${fontFamily}'><title>${escapeHtml(title)}</title>` +
    element('rect', {
      x: 0.5,
      y: 0.5,
      width: width - 1,
      height: height - 1,
      rx: 8,
      fill: paper.card,
      stroke: paper.edge,
    }) +
    `${content}</svg>`
  );
}

/** The strokes of each fill pattern, in a square of 10 by 10. */
const patternLines: Readonly<Record<Exclude<Pattern, ''>, string>> = {
  '/': 'M0 10L10 0M-2 2L2 -2M8 12L12 8',
  '\\': 'M0 0L10 10M-2 8L2 12M8 -2L12 2',
  x: 'M0 0L10 10M0 10L10 0',
  '-': 'M0 5H10',
  '|': 'M5 0V10',
  '+': 'M0 5H10M5 0V10',
  '.': 'M4 5H6M5 4V6',
};

/** An SVG pattern's id, made of the code of its sign and of its colour. */
export function patternId(pattern: Exclude<Pattern, ''>, color: string): string {
  return `p${pattern.charCodeAt(0)}-${color.slice(1)}`;
}

/** The `<pattern>` element of an id from `patternId`. */
export function patternOf(id: string): string {
  const [sign, color] = id.slice(1).split('-');
  const lines = patternLines[String.fromCharCode(Number(sign)) as Exclude<Pattern, ''>];
  return element(
    'pattern',
    {id, width: 10, height: 10, patternUnits: 'userSpaceOnUse'},
    element('path', {
      d: lines,
      stroke: `#${color}`,
      'stroke-width': 1.5,
      'stroke-opacity': '0.45',
      fill: 'none',
    }),
  );
}
