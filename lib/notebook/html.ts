/**
 * The few pieces of HTML that every output is made of. They hold no script and no
 * `<svg>` (JupyterLab drops both in an untrusted notebook), and give text no colour, so that it
 * takes the theme's.
 */

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
