import type {SpecChoice, TransformerSpec} from '#lib/specPlanner/spec.js';

/**
 * The A100 machines of the papers: 80 GB and 312 TFLOP/s a device, NVLink at 300 GB/s and
 * InfiniBand at 25 GB/s, one direction (Narayanan et al. 2021, section 5).
 */
export const selene = (devices: number) => ({
  devices,
  devicesPerNode: 8,
  memoryBytes: 80e9,
  flopsPerSecond: 312e12,
  nodeBandwidth: 300e9,
  networkBandwidth: 25e9,
});

/** Sizes so small that a formula can be followed by hand. */
export const tiny = {layers: 4, hidden: 8, heads: 2, vocab: 10, sequence: 6};

/** A spec of the tiny model, for tests of one key. */
export function tinySpec(
  devices: number,
  batchSize: number,
  fixed: Partial<SpecChoice> = {},
): TransformerSpec {
  return {
    model: tiny,
    machine: {
      devices,
      devicesPerNode: 4,
      memoryBytes: 1e6,
      flopsPerSecond: 1e6,
      efficiency: 0.5,
      nodeBandwidth: 1e5,
      networkBandwidth: 1e4,
      latency: 1e-3,
    },
    batchSize,
    precision: 'mixed',
    fixed,
  };
}
