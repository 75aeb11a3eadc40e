/**
 * The pieces of HTML and SVG that every output is made of.
 *
 * The HTML holds no script and no `<svg>`, because JupyterLab drops both in an untrusted notebook,
 * and gives text no colour, so that it takes the theme's.
 */
import {fontFamily, paper} from './palette';

/** Text as it stands in HTML or XML, in an element or in a quoted attribute. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

/**
 * A picture as a data URL in an `<img>` with its alt text: shown in a trusted and in an untrusted
 * notebook alike.
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
  // The size is reserved and the decoding awaited, so that a picture that is replaced does not
  // flicker or move the page.
  return `<img src="data:${mime};base64,${data}" alt="${escapeHtml(alt)}" width="${width}" height="${height}" decoding="sync">`;
}

/** What the reader may open: figures behind a chart. */
export function detailsHtml(summary: string, body: string): string {
  return `<details><summary>${escapeHtml(summary)}</summary>${body}</details>`;
}

export type Attributes = Readonly<Record<string, string | number | undefined>>;

/** One element; numbers are cut to a tenth of a pixel. */
export function element(name: string, attributes: Attributes, content = ''): string {
  const written = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(
      ([key, value]) =>
        ` ${key}="${typeof value === 'number' ? Number(value.toFixed(1)) : escapeHtml(String(value))}"`,
    )
    .join('');
  return content === '' ? `<${name}${written}/>` : `<${name}${written}>${content}</${name}>`;
}

export function text(x: number, y: number, words: string, attributes: Attributes = {}): string {
  return element(
    'text',
    {x, y, fill: paper.ink, 'font-size': 13, ...attributes},
    escapeHtml(words),
  );
}

export function line(
  x1: number,
  y1: number,
  x2: number,
  y2: number,
  attributes: Attributes = {},
): string {
  return element('line', {x1, y1, x2, y2, stroke: paper.ink, 'stroke-width': 1.5, ...attributes});
}

/** A line through points, `[x, y]` each. */
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
 * A whole picture: `width` by `height` pixels on a light card with a thin edge, `title` for those
 * who hear it.
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
