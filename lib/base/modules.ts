/**
 * Modules by URL, path or package name: how code reaches a worker, since a function
 * cannot.
 */
import {existsSync} from 'node:fs';
import {isAbsolute, resolve} from 'node:path';
import {fileURLToPath, pathToFileURL} from 'node:url';
import {ManyHandsError, messageOf, shown} from './errors';

/**
 * A specifier that means the same in every process: a URL stays, a path (absolute, or './' from the
 * working folder) becomes a file URL, and a package's name stays a name. Throws `BAD_OPTION` where
 * the file does not exist.
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

/** Imports it; throws `BAD_OPTION` with the module's own error. */
export async function importModule(specifier: string): Promise<Record<string, unknown>> {
  const url = moduleUrl(specifier);
  try {
    const found = (await import(url)) as Record<string, unknown>;
    // A module compiled to CommonJS: Node puts all of its exports under `default`.
    const {default: inner} = found as {default?: {__esModule?: boolean}};
    return inner?.__esModule ? (inner as Record<string, unknown>) : found;
  } catch (error) {
    throw new ManyHandsError(
      'BAD_OPTION',
      `the module ${specifier} does not load: ${messageOf(error)}`,
      {cause: error},
    );
  }
}
