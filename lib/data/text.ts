/**
 * A text corpus that every machine with this course has: the declaration files (`lib.*.d.ts`) of the
 * npm package `typescript`, about three million characters, as windows of characters.
 */
import {readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {pathToFileURL} from 'node:url';
import type {DataModule} from '../base/arrays';
import {ManyHandsError, shown} from '../base/errors';
import {optionalFile} from '../base/optionalPackage';
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
 * The 96 characters by token: 0 is the end of a line, 1 to 95 are the printable ASCII characters
 * from space to ~.
 */
export const TEXT_VOCABULARY: readonly string[] = [
  '\n',
  ...Array.from({length: 95}, (_, i) => String.fromCharCode(32 + i)),
];

const UNKNOWN = TEXT_VOCABULARY.indexOf('?');
/** The share of the corpus, at its end, that is kept for testing. */
const TEST_SHARE = 0.1;
const PARTS = ['train', 'test'] as const;

/** The number, length and source of the windows. */
export interface TextOptions {
  /** Characters per sample. */
  sequence: number;
  samples: number;
  seed: number;
  /** 'train' draws from the first nine tenths of the text, 'test' from the rest. @default 'train' */
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
 * Encodes text as tokens: drops carriage returns, replaces tabs by spaces, and replaces characters
 * outside the vocabulary by '?'.
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

/** Decodes tokens as text. Throws BAD_DATA for a number that is not a token. */
export function decodeText(tokens: Iterable<number>): string {
  let text = '';
  for (const token of tokens) {
    const character = TEXT_VOCABULARY[token];
    if (character === undefined) {
      throw new ManyHandsError(
        'BAD_DATA',
        `decodeText: a token must be a whole number from 0 to ${TEXT_VOCABULARY.length - 1}; this one is ${shown(token)}.`,
      );
    }
    text += character;
  }
  return text;
}

let corpus: Uint8Array | null = null;

/**
 * The whole text as tokens, with the files in the order of their names; a process reads it once.
 * Throws BAD_DATA if the npm package is not installed.
 */
export function textTokens(): Uint8Array {
  if (corpus) return corpus;
  const folder = optionalFile('typescript', 'lib', {
    who: 'textCorpus() reads the declaration files of',
    code: 'BAD_DATA',
  });
  const names = readdirSync(folder)
    .filter((name) => /^lib\..*\.d\.ts$/.test(name))
    .sort();
  corpus = encodeText(names.map((name) => readFileSync(join(folder, name), 'utf8')).join('\n'));
  return corpus;
}

/**
 * Draws windows of the text at random: xs [samples, sequence], 32-bit tokens, and ys [samples,
 * sequence, 1], the token after each, in the shape that tfjs needs for
 * 'sparseCategoricalCrossentropy' over [samples, sequence, 96]. Throws BAD_OPTION for an unknown or
 * invalid option, and BAD_DATA if the npm package is not installed.
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
 * The windows as a data module for `train` and `trainParallel`: every worker reads the text itself.
 * Throws BAD_OPTION.
 */
export function textModule(options: TextOptions): DataModule {
  readOptions('textModule', options, OPTIONS);
  return {module: pathToFileURL(__filename).href, export: 'textCorpus', args: options};
}
