/**
 * Sizes as people write and read them: MB is 10^6 bytes, MiB is 2^20 bytes, and every size says
 * which.
 */
import {shown} from './errors';
import {refuseOption} from './options';

const DECIMAL = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
const BINARY = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** The bytes of a unit; undefined if the unit does not exist or is ambiguous ('M', 'mb', 'Mb'). */
function bytesOf(unit: string): number | undefined {
  if (unit === '' || unit === 'B') return 1;
  const decimal = DECIMAL.indexOf(unit === 'KB' ? 'kB' : unit);
  if (decimal > 0) return 1000 ** decimal;
  const binary = BINARY.indexOf(unit === 'kiB' ? 'KiB' : unit);
  return binary > 0 ? 1024 ** binary : undefined;
}

function refuseSize(value: unknown, name: string, why: string): never {
  refuseOption(
    `${name} is ${shown(value)}: ${why}. Write a number of bytes (256e6), or a number with its unit: '256MB' (256,000,000 bytes), '256MiB' (268,435,456 bytes), '1.5GB'.`,
  );
}

/**
 * Reads a size: a number of bytes, or text such as '256MB', '256 MiB' or '1.5GB'. Returns whole
 * bytes. Throws BAD_OPTION, with the option's `name`, if the size is not positive or its unit is
 * ambiguous.
 */
export function parseBytes(value: number | string, name: string): number {
  if (typeof value === 'string') {
    const parts = /^\s*(\d+(?:\.\d+)?(?:e\d+)?)\s*([A-Za-z]*)\s*$/.exec(value);
    if (!parts) refuseSize(value, name, 'it does not read as a size');
    const unit = bytesOf(parts[2]);
    if (unit === undefined) {
      const letter = /^[kmgtp]$/i.test(parts[2]) ? parts[2].toUpperCase() : null;
      const decimal = letter === 'K' ? 'kB' : `${letter}B`;
      refuseSize(
        value,
        name,
        letter
          ? `'${parts[2]}' could be a power of 10 or of 2, so say '${parts[1]}${decimal}' or '${parts[1]}${letter}iB'`
          : `'${parts[2]}' is not a unit of bytes (kB, MB, GB, TB; KiB, MiB, GiB, TiB)`,
      );
    }
    value = Number(parts[1]) * unit;
  }
  if (typeof value !== 'number' || Number.isNaN(value))
    refuseSize(value, name, 'it is not a number of bytes');
  if (!Number.isFinite(value)) refuseSize(value, name, 'leave it out where there is no limit');
  if (Math.round(value) < 1) refuseSize(value, name, 'a size is at least 1 byte');
  return Math.round(value);
}

/** A size in three digits with its unit: 1234567 is '1.23 MB', or '1.18 MiB' in binary units. */
export function formatBytes(bytes: number, units: 'decimal' | 'binary' = 'decimal'): string {
  const [names, base] = units === 'decimal' ? [DECIMAL, 1000] : [BINARY, 1024];
  let size = Math.abs(bytes);
  let unit = 0;
  // 999.6 kB must not be shown as 1000 kB: it is 1 MB.
  while (unit < names.length - 1 && (unit === 0 ? size >= base : size >= base - 0.5)) {
    size /= base;
    unit++;
  }
  const sign = bytes < 0 ? '-' : '';
  return `${sign}${size.toFixed(unit === 0 ? 0 : decimals(size))} ${names[unit]}`;
}

/** The number of decimals with which a size has three digits. */
function decimals(size: number): number {
  if (size < 9.995) return 2;
  return size < 99.95 ? 1 : 0;
}
