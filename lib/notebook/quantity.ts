/**
 * Values of figures in words.
 */
import {formatNumber, formatSeconds} from '../base/format';
import {formatBytes} from '../base/units';

/** A value with its unit; 'seconds' and 'bytes' take the unit that fits: `3.20 s`, `1.20 MB`. */
export function quantityWords(value: number, unit: string): string {
  if (unit === 'seconds') return formatSeconds(value);
  if (unit === 'bytes') return formatBytes(value);
  return `${formatNumber(value)} ${unit}`;
}
