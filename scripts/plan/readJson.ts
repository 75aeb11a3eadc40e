/**
 * A JSON file, and where it is broken: engines do not always say.
 */
import {readFileSync} from 'node:fs';
import {ManyHandsError, messageOf} from '../../lib/base/errors';

/** What may follow: a value, a key, and so on. */
type Place =
  | 'value'
  | 'value or ]'
  | 'key'
  | 'key or }'
  | 'colon'
  | 'comma or ]'
  | 'comma or }'
  | 'end';

const TOKEN =
  /[{}[\]:,]|"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.])|true\b|false\b|null\b/y;
const SPACE = /[ \t\r\n]*/y;

/**
 * The offset of the first token that cannot stand where it stands; the text's length where it ends
 * too soon.
 */
export function brokenAt(text: string): number {
  const open: Array<'{' | '['> = [];
  let place: Place = 'value';
  const after = (): Place =>
    open.length === 0 ? 'end' : open[open.length - 1] === '{' ? 'comma or }' : 'comma or ]';
  for (let at = 0; ; ) {
    SPACE.lastIndex = at;
    at += SPACE.exec(text)![0].length;
    TOKEN.lastIndex = at;
    const token = at < text.length ? TOKEN.exec(text)?.[0] : undefined;
    if (token === undefined) return at;
    if (token === '{' || token === '[') {
      if (!place.startsWith('value')) return at;
      open.push(token);
      place = token === '{' ? 'key or }' : 'value or ]';
    } else if (token === '}' || token === ']') {
      if (!place.endsWith(token)) return at;
      open.pop();
      place = after();
    } else if (token === ',') {
      if (!place.startsWith('comma')) return at;
      place = place.endsWith('}') ? 'key' : 'value';
    } else if (token === ':') {
      if (place !== 'colon') return at;
      place = 'value';
    } else if (place.startsWith('key')) {
      if (!token.startsWith('"')) return at;
      place = 'colon';
    } else {
      if (!place.startsWith('value')) return at;
      place = after();
    }
    at += token.length;
  }
}

/**
 * The value in a file, `name` as it was typed. Throws BAD_OPTION where it cannot be read, or is no
 * JSON, with the line and column.
 */
export function readJson(path: string, name: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, 'utf8').replace(/^\uFEFF/, '');
  } catch (error) {
    const {code} = error as NodeJS.ErrnoException;
    const why =
      code === 'ENOENT'
        ? 'there is no such file'
        : code === 'EISDIR'
          ? 'it is a folder'
          : code === 'EACCES'
            ? 'it may not be read'
            : messageOf(error);
    throw new ManyHandsError('BAD_OPTION', `plan: --spec ${name} cannot be read: ${why}.`, {
      cause: error,
    });
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    const at = brokenAt(text);
    const lines = text.slice(0, at).split('\n');
    const found =
      at < text.length
        ? `${JSON.stringify(text.slice(at).split(/[\s]/)[0].slice(0, 20))} cannot stand there`
        : 'it ends too soon';
    throw new ManyHandsError(
      'BAD_OPTION',
      `plan: ${name} is not JSON: line ${lines.length}, column ${lines[lines.length - 1].length + 1}: ${found}.`,
      {cause: error},
    );
  }
}
