/**
 * The text of a file that a stranger may have made: it waits for nothing, follows no
 * link, and has a bound on its size.
 */
import {closeSync, constants, fstatSync, openSync, readSync} from 'node:fs';
import {messageOf} from '../lib/base/errors';

/** Why a file cannot be read: a stable code and a sentence. */
export interface Unreadable {
  code: 'not-a-file' | 'too-large' | 'unreadable' | 'not-json' | 'not-a-notebook' | 'old-format';
  message: string;
}

const largest = 64 * 2 ** 20;
const mebibytes = (size: number): string => `${(size / 2 ** 20).toFixed(0)} MiB`;

/** The bytes of a regular file, or why there are none. */
export function readSafely(path: string): Buffer | Unreadable {
  try {
    // O_NONBLOCK: opening a named pipe must not wait for somebody to write into it.
    const descriptor = openSync(
      path,
      constants.O_RDONLY | constants.O_NONBLOCK | (constants.O_NOFOLLOW ?? 0),
    );
    try {
      const stat = fstatSync(descriptor);
      if (!stat.isFile()) return {code: 'not-a-file', message: 'this is no regular file'};
      if (stat.size > largest)
        return {
          code: 'too-large',
          message: `this file has ${mebibytes(stat.size)}, more than the ${mebibytes(largest)} that are read; clear its outputs`,
        };
      return readAll(descriptor, stat.size);
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    const why = messageOf(error).replace(/, \w+ '.*$/, '');
    return {code: 'unreadable', message: `this file cannot be read: ${why}`};
  }
}

function readAll(descriptor: number, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  let at = 0;
  while (at < size) {
    const read = readSync(descriptor, bytes, at, size - at, at);
    if (read === 0) break;
    at += read;
  }
  return bytes.subarray(0, at);
}

/**
 * UTF-8 with or without a byte order mark, and UTF-16 with one (Windows' editors write it). Throws
 * where the bytes are no text.
 */
export function decode(bytes: Buffer): string {
  let encoding = 'utf-8';
  if (bytes[0] === 0xff && bytes[1] === 0xfe) encoding = 'utf-16le';
  if (bytes[0] === 0xfe && bytes[1] === 0xff) encoding = 'utf-16be';
  return new TextDecoder(encoding, {fatal: true}).decode(bytes);
}
