/**
 * A text to learn, on every machine that has this course: the declaration files of
 * JavaScript's own library (`lib.*.d.ts`) in the npm package `typescript`, about three million
 * characters, as windows of characters.
 */
import {readdirSync, readFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {pathToFileURL} from 'node:url';
import type {DataModule} from '../base/arrays';
import {ManyHandsError, shown} from '../base/errors';
import {
  anything,
  checkValue,
  nameFrom,
  readOptions,
  wholeNumber,
  type OptionTable,
} from '../base/options';
import {Random} from '../base/random';
import type {Samples} from './samples';

/**
 * The 96 characters, a token each, by token: 0 is the end of a line, 1 to 95 are the printable
 * ASCII characters from space to ~.
 */
export const TEXT_VOCABULARY: readonly string[] = [
  '\n',
  ...Array.from({length: 95}, (_, i) => String.fromCharCode(32 + i)),
];

const UNKNOWN = TEXT_VOCABULARY.indexOf('?');
/** The part of the corpus at its end that is kept for testing. */
const TEST_SHARE = 0.1;
const PARTS = ['train', 'test'] as const;

/** Which windows of the text: how many, and how long. */
export interface TextOptions {
  /** Characters a sample. */
  sequence: number;
  samples: number;
  seed: number;
  /** 'train' draws from the first nine tenths of the text, 'test' from the rest. */
  part?: (typeof PARTS)[number];
}

const OPTIONS: OptionTable<TextOptions> = {
  sequence: wholeNumber(1),
  samples: wholeNumber(0),
  // `Random` checks it.
  seed: anything,
  'part?': nameFrom(PARTS),
};

/**
 * Text as tokens: a carriage return is dropped, a tab is a space, and a character that is not in
 * the vocabulary is '?'.
 */
export function encodeText(text: string): Uint8Array {
  const tokens = new Uint8Array(text.length);
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 13) continue;
    if (code === 10) tokens[length++] = 0;
    else if (code === 9) tokens[length++] = 1;
    else tokens[length++] = code >= 32 && code <= 126 ? code - 31 : UNKNOWN;
  }
  return tokens.subarray(0, length);
}

/** Tokens as text. Throws BAD_DATA for a number that is no token. */
export function decodeText(tokens: Iterable<number>): string {
  let text = '';
  for (const token of tokens) {
    const character = TEXT_VOCABULARY[token];
    if (character === undefined) {
      throw new ManyHandsError(
        'BAD_DATA',
        `A token is a whole number from 0 to ${TEXT_VOCABULARY.length - 1}, and this is ${shown(token)}.`,
      );
    }
    text += character;
  }
  return text;
}

let corpus: Uint8Array | null = null;

/**
 * The whole text as tokens, the files in the order of their names; read once a process. Throws
 * BAD_DATA where they are not installed.
 */
export function textTokens(): Uint8Array {
  if (corpus) return corpus;
  let folder: string;
  try {
    folder = join(dirname(require.resolve('typescript/package.json')), 'lib');
  } catch (error) {
    throw new ManyHandsError(
      'BAD_DATA',
      'The npm package typescript, whose declaration files are the text, is not installed. Run: npm install',
      {cause: error},
    );
  }
  const names = readdirSync(folder)
    .filter((name) => /^lib\..*\.d\.ts$/.test(name))
    .sort();
  corpus = encodeText(names.map((name) => readFileSync(join(folder, name), 'utf8')).join('\n'));
  return corpus;
}

/**
 * Windows of the text from random places: xs [samples, sequence] tokens (32-bit), ys [samples,
 * sequence, 1], the token that follows each, in the shape that tfjs wants for
 * 'sparseCategoricalCrossentropy' over [samples, sequence, 96]. Throws BAD_OPTION.
 */
export function textCorpus(options: TextOptions): Samples {
  const {part = 'train', seed, samples, sequence} = readOptions('textCorpus', options, OPTIONS);
  const tokens = textTokens();
  const split = Math.floor(tokens.length * (1 - TEST_SHARE));
  const text = part === 'train' ? tokens.subarray(0, split) : tokens.subarray(split);
  checkValue('textCorpus', 'sequence', sequence, wholeNumber(1, text.length - 1));
  const random = new Random(seed, 'text', part);
  const xs = new Int32Array(samples * sequence);
  const ys = new Int32Array(samples * sequence);
  for (let i = 0; i < samples; i++) {
    const start = random.integer(text.length - sequence);
    xs.set(text.subarray(start, start + sequence), i * sequence);
    ys.set(text.subarray(start + 1, start + sequence + 1), i * sequence);
  }
  return {
    xs: {values: xs, shape: [samples, sequence]},
    ys: {values: ys, shape: [samples, sequence, 1]},
  };
}

/**
 * The description of such windows, for `train`'s `data`: every worker reads the text for itself.
 * Throws BAD_OPTION.
 */
export function textModule(options: TextOptions): DataModule {
  readOptions('textModule', options, OPTIONS);
  return {module: pathToFileURL(__filename).href, export: 'textCorpus', args: options};
}
