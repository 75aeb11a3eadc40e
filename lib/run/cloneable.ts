/**
 * Either side. What can be copied into another process.
 */
import * as tf from '@tensorflow/tfjs';

/**
 * What in `value` cannot be copied, in words ("a function (step) at args.step"); null where all
 * can.
 */
export function uncloneable(value: unknown, where = 'it'): string | null {
  return find(value, where, new Set());
}

function find(value: unknown, where: string, seen: Set<unknown>): string | null {
  const at = where === 'it' ? '' : ` at ${where}`;
  if (typeof value === 'function') return `a function (${value.name || 'unnamed'})${at}`;
  if (typeof value === 'symbol') return `a symbol${at}`;
  if (
    value === null ||
    typeof value !== 'object' ||
    seen.has(value) ||
    ArrayBuffer.isView(value) ||
    value instanceof ArrayBuffer ||
    value instanceof Error
  )
    return null;
  seen.add(value);
  if (value instanceof tf.Tensor) return `a tensor of shape [${value.shape}]${at}`;
  if (value instanceof tf.LayersModel) return `a model (${value.name})${at}`;
  if (value instanceof Promise) return `a promise${at}: await it`;
  const parts: Array<[string, unknown]> =
    value instanceof Map || value instanceof Set
      ? [...value].map((part, i) => [`entry ${i}`, part])
      : Object.entries(value);
  for (const [name, part] of parts) {
    const found = find(part, where === 'it' ? name : `${where}.${name}`, seen);
    if (found) return found;
  }
  return null;
}
