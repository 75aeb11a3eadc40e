/**
 * The sizes of an operation's outputs before it runs, predicted from its name,
 * attributes and input shapes.
 *
 * There is a rule for every TensorFlow operation that tfjs's kernels and ours can issue
 * (tests/memory/rules.test.ts checks that).
 */
import type {Call, Output, Rule} from './call';
import {RESOURCE, STRING, tensorBytes} from './elementTypes';
import {arrays} from './rules/arrays';
import {elementwise} from './rules/elementwise';
import {slices} from './rules/slices';
import {spatial} from './rules/spatial';

/** The size of an image is encoded in its bytes, so only decoding shows it. */
const unknownBefore: Rule = () => null;
const nothing: Rule = () => [];

const RULES: Record<string, Rule> = {
  ...elementwise,
  ...arrays,
  ...slices,
  ...spatial,
  DecodeBmp: unknownBefore,
  DecodeGif: unknownBefore,
  DecodeJpeg: unknownBefore,
  DecodePng: unknownBefore,
  EncodeJpeg: () => ({shape: [], type: STRING}),
  EncodePng: () => ({shape: [], type: STRING}),
  SummaryWriter: () => ({shape: [], type: RESOURCE}),
  CreateSummaryFileWriter: nothing,
  FlushSummaryWriter: nothing,
  WriteScalarSummary: nothing,
  WriteSummary: nothing,
};

const table = new Map(Object.entries(RULES));

/** Whether `op` has a rule; the rule may still return null. */
export function hasRule(op: string): boolean {
  return table.has(op);
}

/** Operations whose output may be their input's buffer; the others always allocate. */
const MAY_SHARE = new Set(
  `
  AddN All Any BatchToSpaceND BroadcastTo Cast Einsum EuclideanNorm ExpandDims Identity InplaceUpdate Max Mean Min MirrorPad Pack Pad PadV2 Prod
  Reshape ReverseV2 Slice SpaceToBatchND Split SplitV Squeeze StopGradient StridedSlice Sum Tile Transpose Unpack`
    .trim()
    .split(/\s+/),
);

/** Whether an output of `op` may share its input's buffer. */
export function mayShare(op: string): boolean {
  return MAY_SHARE.has(op);
}

/** The outputs that `call` will have; null without a rule, or if only running it tells. */
export function outputsOf(call: Call): Output[] | null {
  const outputs = table.get(call.op)?.(call) ?? null;
  return outputs === null || Array.isArray(outputs) ? outputs : [outputs];
}

/** The bytes of new buffers among `outputs`; an output that shares its input's buffer adds none. */
export function newBytes(outputs: readonly Output[]): number {
  let bytes = 0;
  for (const output of outputs)
    if (output.from === undefined) bytes += tensorBytes(output.shape, output.type);
  return bytes;
}
