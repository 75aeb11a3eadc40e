/**
 * Runs the visible tests of a code question on a function, and compiles the question's reference.
 */
import {inspect} from 'node:util';
import {ManyHandsError, messageOf} from '../base/errors';
import {loadOptional} from '../base/optionalPackage';
import type {CodeQuestion, VisibleTest} from './question';

/** Any function that a learner may pass. */
export type AnyFunction = (...args: never[]) => unknown;

/** The result of a visible test; `got` is the value in words, or the error. */
export interface TestResult {
  test: VisibleTest;
  passed: boolean;
  expected: string;
  got: string;
}

/**
 * All results, and whether the function is blank: it never returned a value, as in an untouched
 * cell.
 */
export interface TestRun {
  results: TestResult[];
  blank: boolean;
}

/** The time limit of a test that returns a promise. */
const deadlineSeconds = 10;
/** Numbers are equal within this share of the expected number, or of 1 if that is larger. */
const tolerance = 1e-6;

/** Runs the tests in order; a test that throws fails, and the others still run. */
export async function runTests(
  question: CodeQuestion,
  learnerFunction: AnyFunction,
): Promise<TestRun> {
  const results: TestResult[] = [];
  let blank = true;
  const watched = (...args: never[]): unknown => {
    const settle = (value: unknown): unknown => {
      if (value !== undefined && value !== null) blank = false;
      return value;
    };
    try {
      const value = learnerFunction(...args);
      if (!(value instanceof Promise)) return settle(value);
      const settled = value.then(settle);
      // A promise that the test does not await must not end the kernel when it rejects.
      settled.catch(() => (blank = false));
      return settled;
    } catch (error) {
      blank = false;
      throw error;
    }
  };
  for (const test of question.tests) {
    const expected: unknown = evaluate(question, test.expected, learnerFunction);
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

/** Evaluates an expression of the bank, in which `testee` has the question's function name. */
function evaluate(question: CodeQuestion, expression: string, testee: AnyFunction): unknown {
  return new Function(question.functionName, `'use strict'; return (${expression});`)(testee);
}

/** Compiles the function that the question's reference declares. */
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
      () => reject(new ManyHandsError('TIMEOUT', `not done after ${deadlineSeconds} s`)),
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
 * Whether two values are equal: numbers within the tolerance, arrays and typed arrays by their
 * elements, objects by their own keys.
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
      Array.from(expected).every((value, index) => alike(got[index], value))
    );
  }
  if (isList(got) !== isList(expected)) return false;
  if (
    typeof got === 'object' &&
    typeof expected === 'object' &&
    got !== null &&
    expected !== null
  ) {
    const gotFields = got as Record<string, unknown>;
    const expectedFields = expected as Record<string, unknown>;
    const keys = Object.keys(expectedFields);
    return (
      Object.keys(gotFields).length === keys.length &&
      keys.every(
        (key) => Object.hasOwn(gotFields, key) && alike(gotFields[key], expectedFields[key]),
      )
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
