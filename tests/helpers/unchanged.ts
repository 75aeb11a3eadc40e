/** What a file of tests must leave as it found it, where files share a process. */
import {afterAll, beforeAll, expect} from 'vitest';

function environment(): Record<string, string | undefined> {
  // Vitest counts its files there.
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('VITEST'));
  return Object.fromEntries(own);
}

/** Checks after each file that the environment and the working directory are as they were. */
export function keepEnvironment(): void {
  let before: {environment: ReturnType<typeof environment>; folder: string};
  beforeAll(() => {
    before = {environment: environment(), folder: process.cwd()};
  });
  afterAll(() => {
    const now = {environment: environment(), folder: process.cwd()};
    expect(now, 'a test changed the environment for the files after it').toEqual(before);
  });
}
