import {describe, expect, it} from 'vitest';
import {
  decodeGather,
  decodeScatter,
  encodeGather,
  encodeScatter,
  GATHER_LABELS,
  opName,
} from '#lib/dataParallel/commWork.js';

describe('an operation of a communication stream', () => {
  it('is one integer that decodes to what was encoded, different for every operation', () => {
    const gathers = [0, 1, 57].flatMap((unit) =>
      [0, 1].flatMap((buffer) => GATHER_LABELS.map((label) => ({unit, buffer, label}))),
    );
    expect(gathers.map((op) => decodeGather(encodeGather(op)))).toEqual(gathers);
    expect(new Set(gathers.map(encodeGather)).size).toBe(gathers.length);
    const scatters = [0, 1, 57].flatMap((unit) =>
      [0, 1].flatMap((buffer) =>
        [false, true].flatMap((zero) => [false, true].map((add) => ({unit, buffer, zero, add}))),
      ),
    );
    expect(scatters.map((op) => decodeScatter(encodeScatter(op)))).toEqual(scatters);
    expect(new Set(scatters.map(encodeScatter)).size).toBe(scatters.length);
  });

  it('names its span', () => {
    const shards = new Float32Array(0);
    const units = ['embed', 'block 0'].map((name) => ({name, length: 4, shard: 0}));
    const op = {unit: 1, buffer: 1};
    expect(
      opName(
        {kind: 'gather', buffers: [], shards, units},
        encodeGather({...op, label: 'parameters, backward'}),
      ),
    ).toBe('gather block 0');
    expect(
      opName(
        {kind: 'scatter', buffers: [], shards, units},
        encodeScatter({...op, zero: true, add: false}),
      ),
    ).toBe('scatter block 0');
  });
});
