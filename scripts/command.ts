/**
 * What every command has in common: its options, --help, its exit code, paths as they
 * were typed, and output that is written whole.
 *
 * Exit codes: 0 it is done; 1 it ran, and something failed; 2 wrong use.
 */
import {basename, dirname, resolve} from 'node:path';
import {parseArgs, type ParseArgsConfig} from 'node:util';
import {ManyHandsError, messageOf} from '../lib/base/errors';
import {courseRoot} from './root';

/** Where a command writes. */
export interface Streams {
  stdout: NodeJS.WritableStream;
  stderr: NodeJS.WritableStream;
}

/** Options as `parseArgs` takes them. */
export type Options = NonNullable<ParseArgsConfig['options']>;

/** The values that `parseArgs` finds for these options. */
export type Values<T extends Options> = ReturnType<typeof parseArgs<{options: T}>>['values'];

export interface Command<T extends Options> {
  /** As it is typed: 'plan', 'bench zero'. */
  name: string;
  /** How its --help is typed, where neither npm nor npx runs it. */
  typedHelp?: string;
  help: string;
  /** All but --help. */
  options: T;
  /** Whether it takes words that are no options. */
  takesWords?: boolean;
  /** Resolves to the exit code. */
  run(found: {values: Values<T>; words: string[]}, streams: Streams): Promise<number> | number;
}

/** A sentence that says how a command was used wrongly; it ends with exit code 2. */
export function wrongUse(message: string): ManyHandsError {
  return new ManyHandsError('BAD_OPTION', message);
}

/** Runs a command with what was typed after its name; resolves to its exit code. */
export async function runCommand<T extends Options>(
  {name, typedHelp = asTyped(name, '--help'), help, options, takesWords = false, run}: Command<T>,
  argv: readonly string[],
  streams: Streams = process,
): Promise<number> {
  try {
    const {values, positionals} = parseArgs({
      args: [...argv],
      allowPositionals: takesWords,
      options: {...options, help: {type: 'boolean', short: 'h'}} as Options,
    });
    if (values.help) {
      await print(streams.stdout, help);
      return 0;
    }
    return await run({values: values as Values<T>, words: positionals}, streams);
  } catch (error) {
    const unknown = String((error as {code?: unknown}).code).startsWith('ERR_PARSE_ARGS');
    const ours = error instanceof ManyHandsError;
    const hint = unknown || (ours && error.code === 'BAD_OPTION');
    streams.stderr.write(
      `${messageOf(error)}\n${hint ? `${typedHelp} says how to use it.\n` : ''}`,
    );
    return unknown || ours ? 2 : 1;
  }
}

/** Ends this process with the exit code of a command, once everything it started has ended. */
export function exitWith(code: Promise<number>): void {
  // `npm run notebooks | head`: where the reader is gone, what we started still has to be ended.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  code.then(
    (found) => {
      process.exitCode = found;
    },
    (error: unknown) => {
      process.stderr.write(`${messageOf(error)}\n`);
      process.exitCode = 1;
    },
  );
}

/** How a command is typed: through npm in a clone, through npx where the package was installed. */
export function asTyped(name: string, options = ''): string {
  if (basename(dirname(courseRoot())) === 'node_modules')
    return `npx many-hands ${name}${options && ` ${options}`}`;
  const [verb, ...words] = name.split(' ');
  const rest = [...words, options].filter((word) => word !== '').join(' ');
  return `npm run ${verb}${rest && ` -- ${rest}`}`;
}

/**
 * The folder in which the person typed the command. npm runs it in the clone's folder; dispatch.mjs
 * says where it was typed. What this process starts was typed by nobody.
 */
const typedIn = process.env.MANY_HANDS_TYPED_IN;
delete process.env.MANY_HANDS_TYPED_IN;

/** A path as the person typed it, made absolute. */
export function typedPath(path: string): string {
  return resolve(typedIn ?? process.cwd(), path);
}

/** Resolves when all is written: a pipe may take less than the whole at once. */
export function print(stream: NodeJS.WritableStream, text: string): Promise<void> {
  return new Promise((done, fail) => stream.write(text, (error) => (error ? fail(error) : done())));
}
