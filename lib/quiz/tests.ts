/**
 * Runs a code question's visible tests on a function, and makes the question's
 * reference a function.
 */
import {inspect} from 'node:util';
import {messageOf} from '../base/errors';
import {loadOptional} from '../base/optionalPackage';
import type {CodeQuestion, VisibleTest} from './bank';

/** Any function that a learner may hand in. */
export type AnyFunction = (...args: never[]) => unknown;

/** How one visible test went; `got` is what came out, or the error in words. */
export interface TestResult {
  test: VisibleTest;
  passed: boolean;
  expected: string;
  got: string;
}

/**
 * All results, and whether the function returned anything at all: the untouched cell's does not.
 */
export interface TestRun {
  results: TestResult[];
  blank: boolean;
}

/** A test that waits for a promise gives up after this long. */
const deadlineSeconds = 10;
/** Numbers are equal within this share of the larger of 1 and the expected one. */
const tolerance = 1e-6;

/** Runs the tests one after the other; a test that throws fails, the others still run. */
export async function runTests(question: CodeQuestion, given: AnyFunction): Promise<TestRun> {
  const results: TestResult[] = [];
  let blank = true;
  const watched = (...args: never[]): unknown => {
    const settle = (value: unknown): unknown => {
      if (value !== undefined && value !== null) blank = false;
      return value;
    };
    try {
      const value = given(...args);
      if (!(value instanceof Promise)) return settle(value);
      const settled = value.then(settle);
      // A test that does not wait for its promise must not end the kernel when that fails later.
      settled.catch(() => (blank = false));
      return settled;
    } catch (error) {
      blank = false;
      throw error;
    }
  };
  for (const test of question.tests) {
    const expected: unknown = evaluate(question, test.expected, given);
    try {
      const got: unknown = await withDeadline(evaluate(question, test.call, watched));
      results.push({
        test,
        passed: alike(got, expected),
        expected: words(expected),
        got: words(got),
      });
    } catch (error) {
      blank = false;
      results.push({
        test,
        passed: false,
        expected: words(expected),
        got: `an error: ${messageOf(error)}`,
      });
    }
  }
  return {results, blank};
}

/** The bank's own expressions, with the given function under its name in the bank. */
function evaluate(question: CodeQuestion, expression: string, given: AnyFunction): unknown {
  return new Function(question.functionName, `'use strict'; return (${expression});`)(given);
}

/** The function that the bank's reference declares. */
export function referenceOf(question: CodeQuestion): AnyFunction {
  const ts = loadOptional<typeof import('typescript')>('typescript', {
    who: 'A code question is compiled with',
  });
  const {outputText} = ts.transpileModule(question.reference, {
    compilerOptions: {target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.None},
  });
  return new Function(
    `'use strict';\n${outputText}\nreturn ${question.functionName};`,
  )() as AnyFunction;
}

async function withDeadline(value: unknown): Promise<unknown> {
  if (!(value instanceof Promise)) return value;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`not done after ${deadlineSeconds} s`)),
      deadlineSeconds * 1000,
    );
  });
  try {
    return await Promise.race([value, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Equal by value: numbers within the tolerance, arrays and typed arrays by their elements, objects
 * by their own keys.
 */
export function alike(got: unknown, expected: unknown): boolean {
  if (typeof got === 'number' && typeof expected === 'number') {
    return (
      Object.is(got, expected) ||
      Math.abs(got - expected) <= tolerance * Math.max(1, Math.abs(expected))
    );
  }
  if (isList(got) && isList(expected)) {
    return (
      got.length === expected.length &&
      Array.from(expected).every((value, at) => alike(got[at], value))
    );
  }
  if (isList(got) !== isList(expected)) return false;
  if (
    typeof got === 'object' &&
    typeof expected === 'object' &&
    got !== null &&
    expected !== null
  ) {
    const [one, other] = [got as Record<string, unknown>, expected as Record<string, unknown>];
    const keys = Object.keys(other);
    return (
      Object.keys(one).length === keys.length &&
      keys.every((key) => Object.hasOwn(one, key) && alike(one[key], other[key]))
    );
  }
  return Object.is(got, expected);
}

function isList(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}

function words(value: unknown): string {
  return inspect(value, {
    depth: 4,
    breakLength: Infinity,
    maxArrayLength: 20,
    maxStringLength: 200,
  });
}
