/**
 * The caller's side, scripts only. What a cell's stderr means: tslab has no error messages, only
 * this text.
 */

/** tslab's own words for what nobody caught, in a timer or a promise; the cell itself ends well. */
const uncaught = /^(UncaughtException|UnhandledPromiseRejection):.*$/m;
/** tslab's words for a type error; in a cell with `@module` it prints them and goes on. */
const typeError = /^(\S+ )?\d+:\d+ - .*$/m;

/**
 * The one line that says what went wrong in a failed cell: the type error, else the thrown error,
 * else the first line.
 */
export function complaint(stderr: string): string {
  const type = typeError.exec(stderr);
  if (type && stderr.trimStart().startsWith(type[0])) return type[0];
  const thrown = /^(?:Uncaught )?[\w.]*(?:Error|Exception|Interrupted)\b.*$/m.exec(stderr);
  return (
    thrown?.[0] ??
    stderr.split('\n').find((line) => line.trim() !== '') ??
    'the kernel gave no message'
  ).trim();
}

/** What a cell that ended well still has to fail for: null, or the sentence. */
export function hiddenFailure(stderr: string, stdout: string, source: string): string | null {
  if (/^Promise \{ (<pending>|<rejected>)/m.test(stdout))
    return "its last line is a promise that nobody awaits: its result is not shown, and its failure is nobody's";
  const thrown = uncaught.exec(stderr);
  if (thrown)
    return `nobody caught this (it was printed in the cell that had been started last): ${thrown[0]}`;
  if (/^\s*\/\*\*[^]*?@module\b/.test(source)) {
    const type = typeError.exec(stderr);
    if (type) return `its module does not pass the type check: ${type[0]}`;
  }
  return null;
}
