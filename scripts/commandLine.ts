/**
 * What commands have in common: paths as they were typed, and output that is written
 * whole.
 */
import {resolve} from 'node:path';

/** Where a command writes. */
export interface Streams {
  stdout: NodeJS.WritableStream;
  stderr: NodeJS.WritableStream;
}

/**
 * A path as the person typed it: `npm run command` runs in the package's folder and keeps theirs in
 * INIT_CWD.
 */
export function typedPath(path: string, command: string): string {
  const typedIn = process.env.npm_lifecycle_event === command ? process.env.INIT_CWD : undefined;
  return resolve(typedIn ?? process.cwd(), path);
}

/** Resolves when all is written: a pipe may take less than the whole at once. */
export function print(stream: NodeJS.WritableStream, text: string): Promise<void> {
  return new Promise((done, fail) => stream.write(text, (error) => (error ? fail(error) : done())));
}
