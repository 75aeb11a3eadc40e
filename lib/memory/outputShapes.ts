/**
 * Worker side. How large the outputs of an operation will be, told before it runs from its name, attributes and input shapes.
 *
 * One rule for every TensorFlow operation that tfjs's kernels and ours can issue (tests/memory/rules.test.ts holds it so).
 */
import type {Call, Output, Rule} from './call';
import {RESOURCE, STRING, tensorBytes} from './elementTypes';
import {arrays} from './rules/arrays';
import {elementwise} from './rules/elementwise';
import {spatial} from './rules/spatial';

/** A picture's size stands in its bytes: only decoding tells. */
const onlyRunningTells: Rule = () => null;
const nothing: Rule = () => [];

const RULES: Record<string, Rule> = {
  ...elementwise,
  ...arrays,
  ...spatial,
  DecodeBmp: onlyRunningTells,
  DecodeGif: onlyRunningTells,
  DecodeJpeg: onlyRunningTells,
  DecodePng: onlyRunningTells,
  EncodeJpeg: () => ({shape: [], type: STRING}),
  EncodePng: () => ({shape: [], type: STRING}),
  SummaryWriter: () => ({shape: [], type: RESOURCE}),
  CreateSummaryFileWriter: nothing,
  FlushSummaryWriter: nothing,
  WriteScalarSummary: nothing,
  WriteSummary: nothing,
};

const table = new Map(Object.entries(RULES));

/** True when `op` has a rule (which may still say that only running tells). */
export function hasRule(op: string): boolean {
  return table.has(op);
}

/** The outputs that `call` will have; null where there is no rule for it, or only running tells. */
export function outputsOf(call: Call): Output[] | null {
  const outputs = table.get(call.op)?.(call) ?? null;
  return outputs === null || Array.isArray(outputs) ? outputs : [outputs];
}

/** The bytes of new buffers among `outputs`: one that shares its input's buffer takes none. */
export function newBytes(outputs: readonly Output[]): number {
  let bytes = 0;
  for (const output of outputs) if (output.from === undefined) bytes += tensorBytes(output.shape, output.type);
  return bytes;
}

