/**
 * One operation as the meter sees it: the call before it runs, the outputs that its size rule
 * predicts, and the record of what it did.
 */
import type {Ledger} from './ledger';

/**
 * An operation with TensorFlow's order of inputs and names of attributes. Shapes and types are
 * cheap to read; `values` reads a tensor.
 */
export interface Call {
  readonly op: string;
  /** The number of inputs. */
  readonly count: number;
  shape(input: number): readonly number[];
  /** TF_DataType of an input. */
  type(input: number): number;
  /** The values of a small input that configures the operation (axes, sizes, paddings). */
  values(input: number): ArrayLike<number>;
  attribute(name: string): unknown;
}

/** What one output will be. */
export interface Output {
  shape: readonly number[];
  /** TF_DataType. */
  type: number;
  /** The input whose buffer this output shares; it then needs no memory of its own. */
  from?: number;
  /** Whether the size depends on values; `shape` is then the largest possible. */
  atMost?: boolean;
}

/** One output, several, or null if only running the operation tells. */
export type Rule = (call: Call) => Output | Output[] | null;

/**
 * One operation that ran: the outputs that its rule predicted (null if only running it
 * tells), its actual outputs, and the bytes alive before and after.
 */
export interface OperationRecord {
  op: string;
  layer: string | null;
  predicted: readonly Output[] | null;
  /** `shared`: the bytes are another tensor's. */
  outputs: {shape: readonly number[]; type: number; bytes: number; shared: boolean}[];
  liveBefore: number;
  liveBytes: number;
}

/** What the two engines' hooks tell the meter. */
export interface Counter {
  readonly ledger: Ledger;
  readonly limitBytes: number | undefined;
  readonly observer: ((record: OperationRecord) => void) | null;
  /** The layer that runs now; null outside of a layer. */
  layer(): string | null;
  /**
   * Whether the outputs of `op` must be predicted: for a limit, for an observer, or to see sharing.
   */
  needsPrediction(op: string): boolean;
  /**
   * The outputs that the rule predicts; null without a rule, or if the rule cannot read the inputs.
   */
  predict(call: Call): Output[] | null;
  /** Throws MEMORY_LIMIT if `bytes` more would pass the limit. */
  admit(op: string, bytes: number, outputs: () => SizedOutput[]): void;
  /** `admit` for the buffers that predicted outputs need. */
  admitPredicted(op: string, outputs: readonly Output[]): void;
  /** Throws MEMORY_LIMIT; `afterwards`: the operation has already run, and was undone. */
  refuse(
    op: string,
    bytes: number,
    liveBytes: number,
    outputs: SizedOutput[],
    afterwards: boolean,
  ): never;
  /** Counts a tensor that is older than the meter, when an operation first reads it. */
  meet(tensor: object, shape: readonly number[], type: number): void;
}

/** An output in an error: its shape and TF_DataType. */
export interface SizedOutput {
  shape: readonly number[];
  type: number;
}

export function integers(call: Call, input: number): number[] {
  const values = call.values(input);
  const result: number[] = [];
  for (let i = 0; i < values.length; i++) result.push(Number(values[i]));
  return result;
}

export function integer(call: Call, input: number): number {
  return Number(call.values(input)[0]);
}

export function numbers(call: Call, attribute: string): number[] {
  return call.attribute(attribute) as number[];
}

/** The type that attribute `T` names, or the first input's. */
export function typeOf(call: Call, attribute = 'T', input = 0): number {
  return (call.attribute(attribute) as number | undefined) ?? call.type(input);
}
