/**
 * One operation about to run, as the rules of its output's size see it, and what they
 * say.
 */

/**
 * An operation in TensorFlow's own words: inputs in its order, attributes by its names. Shapes and
 * sizes are known, values only where asked for.
 */
export interface Call {
  readonly op: string;
  /** How many inputs. */
  readonly count: number;
  shape(input: number): readonly number[];
  /** TF_DataType of an input. */
  type(input: number): number;
  /** The values of a small input that says how to run (axes, sizes, paddings). */
  values(input: number): ArrayLike<number>;
  attribute(name: string): unknown;
}

/** What one output will be. */
export interface Output {
  shape: readonly number[];
  /** TF_DataType. */
  type: number;
  /** The input whose buffer this output shares: it takes no memory of its own. */
  from?: number;
  /** The true size depends on values: this is the most it can be. */
  atMost?: boolean;
}

/** One output, several, or null where only running tells. */
export type Rule = (call: Call) => Output | Output[] | null;

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
