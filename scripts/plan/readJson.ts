/**
 * A JSON file, and where it is broken: engines do not always say.
 */
import {readFileSync} from 'node:fs';
import {messageOf} from '../../lib/base/errors';
import {wrongUse} from '../command';

/**
 * The offset of the first token that cannot stand where it stands; the text's length where it ends
 * too soon, or is whole.
 */
export function brokenAt(text: string): number {
  // Only a broken file needs the parser.
  const {parseTree} = require('jsonc-parser') as typeof import('jsonc-parser');
  const errors: import('jsonc-parser').ParseError[] = [];
  parseTree(text, errors, {disallowComments: true, allowTrailingComma: false});
  return errors[0]?.offset ?? text.length;
}

const reasons: Record<string, string> = {
  ENOENT: 'there is no such file',
  EISDIR: 'it is a folder',
  EACCES: 'it may not be read',
};

/**
 * The value in a file, `name` as it was typed. Throws BAD_OPTION where it cannot be read, or is no
 * JSON, with the line and column.
 */
export function readJson(path: string, name: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, 'utf8').replace(/^\uFEFF/, '');
  } catch (error) {
    const why = reasons[(error as NodeJS.ErrnoException).code ?? ''] ?? messageOf(error);
    throw wrongUse(`plan: --spec ${name} cannot be read: ${why}.`);
  }
  try {
    return JSON.parse(text);
  } catch {
    const at = brokenAt(text);
    const lines = text.slice(0, at).split('\n');
    const found =
      at < text.length
        ? `${JSON.stringify(text.slice(at).split(/[\s]/)[0].slice(0, 20))} cannot stand there`
        : 'it ends too soon';
    throw wrongUse(
      `plan: ${name} is not JSON: line ${lines.length}, column ${lines[lines.length - 1].length + 1}: ${found}.`,
    );
  }
}
