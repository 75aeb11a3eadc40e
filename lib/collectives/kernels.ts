/**
 * Sums, maxima and scaling, sixteen bytes at a time: a WebAssembly module of five loops, written
 * out byte by byte. A module sees only its own memory, so blocks that fit the first-level cache are
 * copied there.
 */
import type {Numbers, ReduceOp} from './types';

/** Bytes of one block in the module's memory. */
const BLOCK_BYTES = 8192;

const I32 = 0x7f;
const F32 = 0x7d;
const SIMD = 0xfd;
const LOAD = [SIMD, 0x00, 0x04, 0x00];
const STORE = [SIMD, 0x0b, 0x04, 0x00];
const [GET, SET] = [0x20, 0x21];

/** WebAssembly SIMD opcodes (WebAssembly Core Specification 2.0, section 5.4.8). */
const OPERATIONS = {
  addFloats: [SIMD, 0xe4, 0x01],
  maxFloats: [SIMD, 0xe9, 0x01],
  addIntegers: [SIMD, 0xae, 0x01],
  maxIntegers: [SIMD, 0xb8, 0x01],
};
const MULTIPLY = [SIMD, 0xe6, 0x01];
const SPLAT = [SIMD, 0x13];

const section = (id: number, ...content: number[]) => [id, content.length, ...content];
const advance = (local: number, by: number) => [GET, local, 0x41, by & 0x7f, 0x6a, SET, local];

/** while (bytes) { body; pointers += 16; bytes -= 16 } */
function loop(body: number[], pointers: number[], bytes: number): number[] {
  const steps = pointers.flatMap((pointer) => advance(pointer, 16));
  return [
    0,
    0x02,
    0x40,
    0x03,
    0x40,
    GET,
    bytes,
    0x45,
    0x0d,
    1,
    ...body,
    ...steps,
    ...advance(bytes, -16),
    0x0c,
    0,
    0x0b,
    0x0b,
    0x0b,
  ];
}

function moduleBytes(): Uint8Array<ArrayBuffer> {
  const binary = Object.values(OPERATIONS).map((operation) =>
    loop([GET, 0, GET, 0, ...LOAD, GET, 1, ...LOAD, ...operation, ...STORE], [0, 1], 2),
  );
  const scale = loop([GET, 0, GET, 0, ...LOAD, GET, 2, ...SPLAT, ...MULTIPLY, ...STORE], [0], 1);
  const bodies = [...binary, scale];
  const names = [...Object.keys(OPERATIONS), 'scaleFloats'];
  const text = (name: string) => [name.length, ...Buffer.from(name)];
  const exported = [...text('memory'), 2, 0, ...names.flatMap((name, i) => [...text(name), 0, i])];
  const long = (id: number, content: number[]) => [
    id,
    (content.length & 0x7f) | 0x80,
    content.length >> 7,
    ...content,
  ];
  const code = [
    bodies.length,
    ...bodies.flatMap((body) => [(body.length & 0x7f) | 0x80, body.length >> 7, ...body]),
  ];
  return new Uint8Array([
    0,
    0x61,
    0x73,
    0x6d,
    1,
    0,
    0,
    0,
    ...section(1, 2, 0x60, 3, I32, I32, I32, 0, 0x60, 3, I32, I32, F32, 0),
    ...section(3, bodies.length, ...binary.map(() => 0), 1),
    ...section(5, 1, 0, 1),
    ...long(7, [names.length + 1, ...exported]),
    ...long(10, code),
  ]);
}

type Binary = (into: number, from: number, bytes: number) => void;
type Scale = (into: number, bytes: number, by: number) => void;

interface Kernels {
  floats: Float32Array;
  integers: Int32Array;
  combine(op: ReduceOp, floats: boolean): Binary;
  scale: Scale;
}

function wasm(): Kernels | null {
  try {
    const {exports} = new WebAssembly.Instance(new WebAssembly.Module(moduleBytes()));
    const {memory, addFloats, maxFloats, addIntegers, maxIntegers, scaleFloats} = exports as Record<
      string,
      unknown
    > & {memory: WebAssembly.Memory};
    return {
      floats: new Float32Array(memory.buffer),
      integers: new Int32Array(memory.buffer),
      combine: (op, floats) => {
        const add = floats ? addFloats : addIntegers;
        const max = floats ? maxFloats : maxIntegers;
        return (op === 'max' ? max : add) as Binary;
      },
      scale: scaleFloats as Scale,
    };
  } catch {
    return null;
  }
}

/** The same in plain JavaScript, for processors without SIMD. */
function plain(): Kernels {
  const buffer = new ArrayBuffer(2 * BLOCK_BYTES);
  const floats = new Float32Array(buffer);
  const integers = new Int32Array(buffer);
  return {
    floats,
    integers,
    combine: (op, isFloat) => {
      const array = isFloat ? floats : integers;
      const combined = op === 'max' ? Math.max : (a: number, b: number) => a + b;
      return (into, from, bytes) => {
        for (let i = 0; i < bytes / 4; i++)
          array[into / 4 + i] = combined(array[into / 4 + i], array[from / 4 + i]);
      };
    },
    scale: (into, bytes, by) => {
      for (let i = 0; i < bytes / 4; i++) floats[into / 4 + i] *= by;
    },
  };
}

let kernels: Kernels | null = null;

/**
 * Combines the arrays of `from` element by element, in the given order, and writes the result into
 * every array of `into`. All arrays have the same length and type. `mean` divides a sum of floats
 * by the number of arrays.
 */
export function reduceInto(from: Numbers[], op: ReduceOp, into: Numbers[]): void {
  kernels ??= wasm() ?? plain();
  const isFloat = from[0] instanceof Float32Array;
  const memory: Numbers = isFloat ? kernels.floats : kernels.integers;
  const combine = kernels.combine(op, isFloat);
  const length = from[0].length;
  const block = BLOCK_BYTES / 4;
  for (let offset = 0; offset < length; offset += block) {
    const end = Math.min(offset + block, length);
    const bytes = Math.ceil((end - offset) / 4) * 16;
    // A view costs as much as a short copy.
    const isWhole = end - offset === length;
    memory.set(isWhole ? from[0] : from[0].subarray(offset, end), 0);
    for (let r = 1; r < from.length; r++) {
      memory.set(isWhole ? from[r] : from[r].subarray(offset, end), block);
      combine(0, BLOCK_BYTES, bytes);
    }
    if (op === 'mean') kernels.scale(0, bytes, Math.fround(1 / from.length));
    const result = memory.subarray(0, end - offset);
    for (const array of into) array.set(result, offset);
  }
}

/**
 * `into` += `factor` x `from`. Each product is rounded to a float first, so the bits are those of
 * TensorFlow's Mul and Add.
 */
export function addScaled(into: Float32Array, from: Float32Array, factor: number): void {
  kernels ??= wasm() ?? plain();
  const add = kernels.combine('sum', true);
  const memory = kernels.floats;
  const block = BLOCK_BYTES / 4;
  for (let offset = 0; offset < into.length; offset += block) {
    const end = Math.min(offset + block, into.length);
    const bytes = Math.ceil((end - offset) / 4) * 16;
    memory.set(into.subarray(offset, end), 0);
    memory.set(from.subarray(offset, end), block);
    kernels.scale(BLOCK_BYTES, bytes, Math.fround(factor));
    add(0, BLOCK_BYTES, bytes);
    into.set(memory.subarray(0, end - offset), offset);
  }
}
