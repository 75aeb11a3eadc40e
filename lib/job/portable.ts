/**
 * Checks what can be sent to another process: values that can be copied, and functions that use no
 * names from outside themselves.
 */
import * as tf from '@tensorflow/tfjs';
import {ManyHandsError, messageOf} from '../base/errors';
import {loadOptional} from '../base/optionalPackage';

/**
 * Describes the first part of `value` that cannot be copied ("a function (step) at args.step");
 * null if the whole value can be copied.
 */
export function uncloneable(value: unknown, where = 'it'): string | null {
  return find(value, where, new Set());
}

function find(value: unknown, where: string, seen: Set<unknown>): string | null {
  const location = where === 'it' ? '' : ` at ${where}`;
  if (typeof value === 'function') return `a function (${value.name || 'unnamed'})${location}`;
  if (typeof value === 'symbol') return `a symbol${location}`;
  if (
    value === null ||
    typeof value !== 'object' ||
    seen.has(value) ||
    ArrayBuffer.isView(value) ||
    value instanceof ArrayBuffer ||
    value instanceof Error
  )
    return null;
  seen.add(value);
  if (value instanceof tf.Tensor) return `a tensor of shape [${value.shape}]${location}`;
  if (value instanceof tf.LayersModel) return `a model (${value.name})${location}`;
  if (value instanceof Promise) return `a promise${location}: await it`;
  if (value instanceof WeakMap || value instanceof WeakSet || value instanceof WeakRef)
    return `a ${value.constructor.name}${location}`;
  let parts: Array<[string, unknown]>;
  try {
    parts =
      value instanceof Map || value instanceof Set
        ? [...value].map((part, i) => [`entry ${i}`, part])
        : Object.entries(value);
  } catch (error) {
    return `an object that cannot be read (${messageOf(error)})${location}`;
  }
  for (const [name, part] of parts) {
    const obstacle = find(part, where === 'it' ? name : `${where}.${name}`, seen);
    if (obstacle) return obstacle;
  }
  return null;
}

const FILE = 'program.js';
/** Names that the worker provides to the function. */
const PROVIDED = ['require'];
const UNKNOWN = /^(Cannot find name|No value exists in scope)/;

/**
 * The outer names that the function with the text `source` uses, in the order of their first use,
 * without JavaScript's global names. Throws MISSING_PACKAGE if typescript is not installed.
 */
export function freeNames(source: string): string[] {
  // Loading takes half a second, so it happens only if a function was passed.
  const ts = loadOptional<typeof import('typescript')>('typescript', {
    who: 'A function as program is checked for outer names with',
    otherwise: 'put the program into a module and give its URL',
  });
  const text = `(${source})`;
  const file = ts.createSourceFile(FILE, text, ts.ScriptTarget.Latest, true, ts.ScriptKind.JS);
  const host: import('typescript').CompilerHost = {
    getSourceFile: (name) => (name === FILE ? file : undefined),
    getDefaultLibFileName: () => 'lib.d.ts',
    writeFile: () => {},
    getCurrentDirectory: () => '',
    getCanonicalFileName: (name) => name,
    useCaseSensitiveFileNames: () => true,
    getNewLine: () => '\n',
    fileExists: (name) => name === FILE,
    readFile: () => undefined,
  };
  const program = ts.createProgram(
    [FILE],
    {
      allowJs: true,
      checkJs: true,
      noLib: true,
      noResolve: true,
      types: [],
      target: ts.ScriptTarget.ESNext,
    },
    host,
  );
  const unknown = program
    .getSemanticDiagnostics(file)
    .filter(({messageText}) => UNKNOWN.test(ts.flattenDiagnosticMessageText(messageText, ' ')));
  const names = unknown.map(({start = 0, length = 0}) => {
    const name = text.slice(start, start + length);
    const member = /^\.(\w+)/.exec(text.slice(start + length));
    // A notebook or a compiler has moved the variable or the import into an object, so the name of
    // the member is the one that the reader wrote.
    return /^exports$|_\d+(_?_?)$/.test(name) && member
      ? {name, displayed: member[1]}
      : {name, displayed: name};
  });
  return [
    ...new Set(
      names
        .filter(({name}) => !(name in globalThis) && !PROVIDED.includes(name))
        .map(({displayed}) => displayed),
    ),
  ];
}

/**
 * Returns the function's text as an expression that a worker can evaluate. Throws BAD_OPTION if the
 * text is no such expression or uses outer names.
 */
export function programSource(program: (...args: never[]) => unknown): string {
  const source = String(program);
  if (/\{\s*\[native code\]\s*\}\s*$/.test(source))
    throw new ManyHandsError(
      'BAD_OPTION',
      'program is a bound or built-in function, whose text is hidden: give a plain function, or the URL of a module whose default export it is.',
    );
  if (/^class\b/.test(source))
    throw new ManyHandsError(
      'BAD_OPTION',
      `program is a class (${program.name}): give a function ({rank, size, comm, tf, device, args}) => ...`,
    );
  try {
    new Function(`return (${source});`);
  } catch (error) {
    throw new ManyHandsError(
      'BAD_OPTION',
      `program cannot stand alone (${messageOf(error)}): write it as a function or an arrow function, not as a method.`,
      {cause: error},
    );
  }
  const outer = freeNames(source);
  if (outer.length > 0) {
    throw new ManyHandsError(
      'BAD_OPTION',
      `program uses ${outer.map((name) => `'${name}'`).join(', ')} from outside itself, and only its own text travels to the workers. ` +
        'Hand values over in args, use the tf that it is given, require() packages inside it, or put it into a module and give its URL.',
    );
  }
  return source;
}
