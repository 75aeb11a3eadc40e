/**
 * Modules by URL, path or package name: a function cannot be sent to a worker, but a module's name
 * can.
 */
import {existsSync} from 'node:fs';
import {isAbsolute, resolve} from 'node:path';
import {fileURLToPath, pathToFileURL} from 'node:url';
import {ManyHandsError, messageOf, shown} from './errors';

/**
 * A specifier that means the same in every process. A path (absolute, or './' from the working
 * folder) becomes a file URL; a URL and a package name stay as they are. Throws `BAD_OPTION` if the
 * file does not exist.
 */
export function moduleUrl(specifier: string): string {
  if (typeof specifier !== 'string' || specifier === '') {
    throw new ManyHandsError(
      'BAD_OPTION',
      `a module is named by a URL, a path or a package name; this one is ${shown(specifier)}.`,
    );
  }
  let url = specifier;
  if (specifier.startsWith('.') || isAbsolute(specifier))
    url = pathToFileURL(resolve(specifier)).href;
  if (url.startsWith('file:') && !existsSync(fileURLToPath(url))) {
    throw new ManyHandsError(
      'BAD_OPTION',
      `there is no module at ${specifier}: name it with new URL('./name.mjs', import.meta.url).href, or by a path from the working folder.`,
    );
  }
  return url;
}

/** Imports a module; throws `BAD_OPTION` with the module's own error if it does not load. */
export async function importModule(specifier: string): Promise<Record<string, unknown>> {
  const url = moduleUrl(specifier);
  try {
    const exports = (await import(url)) as Record<string, unknown>;
    // If a module was compiled to CommonJS, Node puts all its exports under `default`.
    const {default: inner} = exports as {default?: {__esModule?: boolean}};
    return inner?.__esModule ? (inner as Record<string, unknown>) : exports;
  } catch (error) {
    throw new ManyHandsError(
      'BAD_OPTION',
      `the module ${specifier} does not load: ${messageOf(error)}`,
      {cause: error},
    );
  }
}
