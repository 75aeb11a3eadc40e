import {describe, expect, it} from 'vitest';
import {formatBytes, parseBytes} from '#lib/base/units.js';

describe('parseBytes', () => {
  it.each([
    [1, 1],
    [256e6, 256e6],
    ['256MB', 256e6],
    ['256 MB', 256e6],
    ['256MiB', 2 ** 28],
    ['1.5GB', 1.5e9],
    ['2GiB', 2 ** 31],
    ['10kB', 1e4],
    ['10KB', 1e4],
    ['4KiB', 4096],
    ['1TB', 1e12],
    ['512B', 512],
    ['1024', 1024],
    [' 3e2 kB ', 3e5],
    [1.4, 1],
  ])('%s is %d bytes', (value, bytes) => {
    expect(parseBytes(value, 'memoryLimit')).toBe(bytes);
  });

  it.each([
    ['256M', /'M' could be a power of 10 or of 2, so say '256MB' or '256MiB'/],
    ['1k', /'1kB' or '1KiB'/],
    ['256mb', /not a unit/],
    ['much', /does not read/],
    ['', /does not read/],
    ['-1MB', /does not read/],
    [0, /at least 1 byte/],
    [-5, /at least 1 byte/],
    ['0MB', /at least 1 byte/],
    [NaN, /not a number/],
    [Infinity, /leave it out/],
  ])('%s is refused, with the option, its value and what to write', (value, why) => {
    expect(() => parseBytes(value, 'memoryLimit')).toThrow(why);
    expect(() => parseBytes(value, 'memoryLimit')).toThrow(
      /^memoryLimit is .*'256MB' \(256,000,000 bytes\)/,
    );
  });
});

describe('formatBytes', () => {
  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [1000, '1.00 kB'],
    [1234567, '1.23 MB'],
    [12.345e6, '12.3 MB'],
    [256e6, '256 MB'],
    [999.9e6, '1.00 GB'],
    [1.5e12, '1.50 TB'],
    [-2e6, '-2.00 MB'],
  ])('%d is %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text));
  it('says MiB where it means MiB', () => {
    expect(formatBytes(2 ** 28, 'binary')).toBe('256 MiB');
    expect(formatBytes(1000, 'binary')).toBe('1000 B');
  });
});
