/**
 * The counter-based random numbers of a layer's call: element e of sample i in draw n is a pure
 * function of (seed, place of the call in the model, n, step, i, e). It does not depend on how the
 * batch is divided, on the rank, on what else the process has made, or on how often the layer runs.
 */
import {ManyHandsError} from './errors';
import {philoxFill, type PhiloxKey} from './philox';
import {streamKey} from './random';
import {
  withStepContext,
  type DrawPhase,
  type Draws,
  type RowsPerSample,
  type StepContext,
} from './stepContext';

/** The context of a call that draws. */
export type DrawContext = StepContext & {draws: Draws};

/** Where the numbers of a draw lie in its stream: `rows` rows of `length` consecutive elements. */
export interface DrawRows {
  key: PhiloxKey;
  rows: number;
  /** The number of the first row: a row has the same numbers on whatever rank it is. */
  firstRow: number;
  length: number;
  /** The number of a row's first element, and of all its elements on all ranks. */
  firstElement: number;
  fullLength: number;
  /** The last two words of the counter. */
  counter: readonly [number, number];
}

const product = (shape: readonly number[]) => shape.reduce((size, length) => size * length, 1);

/**
 * Runs `call` as the call of a layer at `place` on `samples` samples: what it draws by tfjs's
 * operations (lib/model/randomOps.ts) or by `Math.random` is drawn from its own streams.
 */
export function withDraws<T>(
  context: StepContext,
  {
    place,
    samples,
    phase = 'forward',
    rows = null,
  }: {
    place: number;
    samples: number;
    phase?: DrawPhase;
    rows?: readonly RowsPerSample[] | null;
  },
  call: () => T,
): T {
  const draws: Draws = {phase, place, samples, rows, count: 0, uniform: null};
  const drawContext = {...context, draws};
  const {random} = Math;
  Math.random = () => (draws.uniform ??= sharedUniform(drawContext))();
  try {
    return withStepContext(drawContext, call);
  } finally {
    Math.random = random;
  }
}

/** The words of the counter that all draws of a step, or of a validation batch, have in common. */
const counterOf = ({step, validationBatch}: StepContext): [number, number] => [
  step,
  validationBatch === undefined ? 0 : validationBatch + 1,
];

const drawKey = ({seed, draws: {phase, place}}: DrawContext, draw: number | string): PhiloxKey =>
  streamKey(seed, phase, place, draw);

/** What `Math.random` returns in a layer: one stream, the same for all samples and ranks. */
function sharedUniform(context: DrawContext): () => number {
  return uniformStream(drawKey(context, 'Math.random'), 0, counterOf(context));
}

/** Numbers in [0, 1) with 53 random bits, drawn in order from row `row` of a stream. */
export function uniformStream(
  key: PhiloxKey,
  row: number,
  counter: DrawRows['counter'],
): () => number {
  const words = new Uint32Array(4);
  let used = words.length;
  let block = 0;
  return () => {
    if (used === words.length) {
      philoxFill(words, key, block++, row, counter[0], counter[1]);
      used = 0;
    }
    const high = words[used++] >>> 5;
    const low = words[used++] >>> 6;
    return (high * 0x4000000 + low) / 0x20000000000000;
  };
}

/**
 * Takes the next draw of a call, of this shape. `shared`: all samples share it, whatever its shape.
 * Throws BAD_MODEL if a shape does not have the rows that the layer's first look promised.
 */
export function nextDraw(
  context: DrawContext,
  shape: readonly number[],
  {shared = false}: {shared?: boolean} = {},
): DrawRows {
  const {draws, layer, firstSample, positions} = context;
  const draw = draws.count++;
  const bySample = shape[0] === draws.samples ? 1 : 0;
  const rowsPerSample = shared ? 0 : (draws.rows?.[draw] ?? bySample);
  if (rowsPerSample > 0 && shape[0] !== rowsPerSample * draws.samples)
    throw new ManyHandsError(
      'BAD_MODEL',
      `layer '${layer}' draws random numbers of the shape [${shape}] for ${draws.samples} samples, and drew ${rowsPerSample} row${rowsPerSample > 1 ? 's' : ''} for each sample when it was tried before the training: draw a tensor whose first dim is the number of samples, in the same order in every call.`,
    );
  const common = {key: drawKey(context, draw), counter: counterOf(context)};
  const size = product(shape);
  if (rowsPerSample === 0)
    return {
      ...common,
      rows: 1,
      firstRow: 0,
      length: size,
      firstElement: 0,
      fullLength: size,
    };
  const rows = draws.samples;
  const length = rows > 0 ? size / rows : 0;
  // A rank that holds only some positions of every sample draws the elements of these.
  const local = positions && (rowsPerSample > 1 || shape[1] === positions.end - positions.start);
  const perPosition = local ? length / (positions.end - positions.start) : 0;
  return {
    ...common,
    rows,
    firstRow: firstSample,
    length,
    firstElement: local ? positions.start * perPosition : 0,
    fullLength: local ? positions.of * perPosition : length,
  };
}
