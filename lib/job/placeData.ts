/**
 * Data in shared memory: the caller copies every array once, without changing its type, and the
 * workers use it in place.
 */
import type {ArrayValues, Data, DataModule, ShapedArray} from '../base/arrays';
import {CACHE_LINE_BYTES} from '../base/cacheLine';
import {ManyHandsError, shown, withCode} from '../base/errors';
import {importModule} from '../base/modules';
import {
  attachRegion,
  createRegion,
  type RegionHandle,
  type SharedRegion,
} from '../workers/sharedRegion';
import {readArrays, type Arrays, type DataNames} from './readData';

type Kind = 'Uint8Array' | 'Int32Array' | 'Float32Array';
const KINDS = {Uint8Array, Int32Array, Float32Array};

interface PlacedArray {
  kind: Kind;
  /** Its first byte in the region. */
  offset: number;
  shape: number[];
  scale?: number;
}

/** Data in the form that is sent to a worker. */
export type PlacedData =
  | {module: DataModule}
  | {region: RegionHandle; xs: PlacedArray[]; ys: PlacedArray[]};

function checkFinite(values: ArrayValues, shape: number[], what: string): void {
  if (!(values instanceof Float32Array)) return;
  for (let i = 0; i < values.length; i++) {
    if (Number.isFinite(values[i])) continue;
    const sample = Math.floor(i / (values.length / shape[0]));
    throw new ManyHandsError(
      'BAD_DATA',
      `${what} holds ${values[i]} in sample ${sample}: one such number makes every weight NaN. Remove or correct the sample.`,
    );
  }
}

/**
 * Copies arrays into a new region, which the caller must close after the run. Throws BAD_DATA for
 * NaN and infinite values.
 */
export function placeArrays(
  {xs, ys}: Arrays,
  what: string,
): {placed: PlacedData; region: SharedRegion} {
  let bytes = 0;
  const place = (array: ShapedArray): PlacedArray => {
    const placed = {
      kind: array.values.constructor.name as Kind,
      offset: bytes,
      shape: array.shape,
      scale: array.scale,
    };
    // No two arrays share a cache line.
    bytes = Math.ceil((bytes + array.values.byteLength) / CACHE_LINE_BYTES) * CACHE_LINE_BYTES;
    return placed;
  };
  const placed = {xs: xs.map(place), ys: ys.map(place)};
  const region = createRegion(bytes);
  try {
    for (const part of ['xs', 'ys'] as const) {
      (part === 'xs' ? xs : ys).forEach((array, i) => {
        checkFinite(array.values, array.shape, `${what}.${part}`);
        const {kind, offset} = placed[part][i];
        new KINDS[kind](region.buffer, offset, array.values.length).set(array.values);
      });
    }
  } catch (error) {
    region.close();
    throw error;
  }
  return {placed: {region: region.handle, ...placed}, region};
}

/**
 * Returns a worker's view of placed data and the function that closes it. A data module is imported
 * and called here; it may give its arrays by `names`. Throws BAD_DATA.
 */
export async function openData(
  placed: PlacedData,
  what: string,
  names: DataNames,
): Promise<Arrays & {close(): void}> {
  if ('module' in placed) {
    const {module, export: name = 'default', args} = placed.module;
    const open = (await importModule(module))[name];
    if (typeof open !== 'function')
      throw new ManyHandsError(
        'BAD_DATA',
        `${what}: the module ${module} has no function '${name}'; it exports ${shown(open)} there.`,
      );
    let data: Data;
    try {
      data = (await open(args)) as Data;
    } catch (error) {
      throw withCode(error, 'BAD_DATA', `${what}: the function '${name}' of ${module} threw`);
    }
    return {...readArrays(data, what, names), close: () => {}};
  }
  const region = attachRegion(placed.region);
  const view = ({kind, offset, shape, scale}: PlacedArray): ShapedArray => {
    const length = shape.reduce((product, dim) => product * dim, 1);
    return {values: new KINDS[kind](region.buffer, offset, length), shape, scale};
  };
  return {xs: placed.xs.map(view), ys: placed.ys.map(view), close: () => region.close()};
}
