/**
 * How large the outputs of an operation will be, told before it runs from its name,
 * attributes and input shapes.
 *
 * One rule for every TensorFlow operation that tfjs's kernels and ours can issue
 * (tests/memory/rules.test.ts holds it so).
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

/** Operations that may hand on their input's buffer; all others make their own. */
const MAY_SHARE = new Set(
  `
  AddN All Any BatchToSpaceND BroadcastTo Cast Einsum EuclideanNorm ExpandDims Identity InplaceUpdate Max Mean Min MirrorPad Pack Pad PadV2 Prod
  Reshape ReverseV2 Slice SpaceToBatchND Split SplitV Squeeze StopGradient StridedSlice Sum Tile Transpose Unpack`
    .trim()
    .split(/\s+/),
);

/** False where the outputs of `op` are its own whatever its inputs are. */
export function mayShare(op: string): boolean {
  return MAY_SHARE.has(op);
}

/** The outputs that `call` will have; null where there is no rule for it, or only running tells. */
export function outputsOf(call: Call): Output[] | null {
  const outputs = table.get(call.op)?.(call) ?? null;
  return outputs === null || Array.isArray(outputs) ? outputs : [outputs];
}

/** The bytes of new buffers among `outputs`: one that shares its input's buffer takes none. */
export function newBytes(outputs: readonly Output[]): number {
  let bytes = 0;
  for (const output of outputs)
    if (output.from === undefined) bytes += tensorBytes(output.shape, output.type);
  return bytes;
}
