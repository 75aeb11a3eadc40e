/** Set-up. What can go wrong: one sentence, and the command that mends it on each system. */
import {readFileSync} from 'node:fs';

/** @typedef {{debian: string, fedora: string, macos: string}} Fix */

/** A set-up that cannot go on, for a reason that the person before the screen can mend. */
export class SetupProblem extends Error {
  /**
   * @param {string} id a stable name, such as 'python-missing'
   * @param {string} sentence
   * @param {Fix | string} fix one command for all systems, or one for each
   */
  constructor(id, sentence, fix) {
    super(sentence);
    this.name = 'SetupProblem';
    this.id = id;
    /** @type {Fix} */
    this.fix = typeof fix === 'string' ? {debian: fix, fedora: fix, macos: fix} : fix;
  }
}

/**
 * Which of the three systems this is, or null where we cannot tell.
 * @param {string} [osRelease] the text of /etc/os-release
 * @returns {keyof Fix | null}
 */
export function systemOf(osRelease) {
  if (process.platform === 'darwin' && osRelease === undefined) return 'macos';
  let text = osRelease;
  try {
    text ??= readFileSync('/etc/os-release', 'utf8');
  } catch {
    return null;
  }
  const ids = [...text.matchAll(/^ID(?:_LIKE)?="?([^"\n]*)"?$/gm)].flatMap((match) =>
    match[1].split(/\s+/),
  );
  if (ids.some((id) => id === 'debian' || id === 'ubuntu')) return 'debian';
  if (ids.some((id) => id === 'fedora' || id === 'rhel' || id === 'centos')) return 'fedora';
  return null;
}

/**
 * The command for this machine; where the system is unknown, all three.
 * @param {Fix} fix
 * @param {keyof Fix | null} [system]
 */
export function fixText(fix, system = systemOf()) {
  if (system !== null) return fix[system];
  if (fix.debian === fix.fedora && fix.fedora === fix.macos) return fix.debian;
  return `Debian, Ubuntu: ${fix.debian}   Fedora: ${fix.fedora}   macOS: ${fix.macos}`;
}

/**
 * A problem as it is printed: the sentence, then the commands; this machine's first and alone where
 * they are the same.
 * @param {SetupProblem} problem
 */
export function problemText({message, fix}) {
  const system = systemOf();
  if (fix.debian === fix.fedora && fix.fedora === fix.macos)
    return `${message}\nTo mend it:\n  ${fix.debian}`;
  /** @type {[keyof Fix, string][]} */
  const names = [
    ['debian', 'Debian, Ubuntu'],
    ['fedora', 'Fedora'],
    ['macos', 'macOS'],
  ];
  names.sort(([a], [b]) => Number(b === system) - Number(a === system));
  return [
    message,
    'To mend it:',
    ...names.map(([key, name]) => `  ${`${name}:`.padEnd(16)} ${fix[key]}`),
  ].join('\n');
}
