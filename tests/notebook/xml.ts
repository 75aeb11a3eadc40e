/**
 * The names of the elements of an XML document, in order; throws where tags do not match or a value
 * is no number.
 */
export function elements(xml: string): string[] {
  const names: string[] = [];
  const open: string[] = [];
  let at = 0;
  for (const tag of xml.matchAll(
    /<(\/?)([a-zA-Z]+)((?:\s+[a-zA-Z-:\d]+=(?:"[^"<]*"|'[^'<]*'))*)\s*(\/?)>/g,
  )) {
    const between = xml.slice(at, tag.index);
    if (/[<>]/.test(between)) throw new Error(`not XML: ${between.slice(0, 80)}`);
    at = tag.index + tag[0].length;
    if (/(NaN|undefined|Infinity)/.test(tag[3]!)) throw new Error(`no number: ${tag[0]}`);
    if (tag[1]) {
      if (open.pop() !== tag[2]) throw new Error(`</${tag[2]}> closes nothing`);
      continue;
    }
    names.push(tag[2]!);
    if (!tag[4]) open.push(tag[2]!);
  }
  if (open.length > 0) throw new Error(`never closed: ${open.join(', ')}`);
  return names;
}

/** The SVG inside the first `<img>` of an output, and its alt text. */
export function imageOf(html: unknown): {svg: string; alt: string} {
  const image = /<img src="data:image\/svg\+xml;base64,([^"]+)" alt="([^"]*)"/.exec(String(html));
  if (!image) throw new Error('no picture in it');
  return {svg: Buffer.from(image[1]!, 'base64').toString('utf8'), alt: image[2]!};
}
