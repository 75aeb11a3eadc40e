import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {nodeFix, nodeProblem} from '../../scripts/setup/node.mjs';
import {rootFolder} from '../../scripts/setup/paths.mjs';

describe('the versions of Node.js', () => {
  it.each(['v20.19.0', 'v20.20.2', 'v22.12.0', 'v22.23.3', 'v24.0.0', 'v25.9.0', 'v26.10.0'])(
    'runs on %s',
    (version) => {
      expect(nodeProblem(version)).toBeNull();
    },
  );

  it.each(['v12.22.12', 'v16.20.2', 'v18.20.8', 'v20.18.3', 'v22.11.0'])(
    'says that %s is too old',
    (version) => {
      expect(nodeProblem(version)).toContain(`${version}, which is too old`);
    },
  );

  it.each([
    ['v21.7.3', '21'],
    ['v23.11.1', '23'],
  ])('refuses %s by its name', (version, major) => {
    expect(nodeProblem(version)).toContain(`${version}; ${major} was a short-lived release`);
  });

  it('has a command for each system', () => {
    expect(nodeFix.debian).toContain('apt-get');
    expect(nodeFix.fedora).toContain('dnf');
    expect(nodeFix.macos).toContain('brew');
  });

  it('is the range that package.json tells npm', () => {
    const {engines} = JSON.parse(readFileSync(join(rootFolder(), 'package.json'), 'utf8')) as {
      engines: {node: string};
    };
    expect(engines.node).toBe('^20.19.0 || ^22.12.0 || >=24.0.0');
  });

  it('is checked by files that an old Node.js can read', () => {
    for (const file of ['bootstrap.mjs', 'setup/node.mjs']) {
      const text = readFileSync(join(rootFolder(), 'scripts', file), 'utf8').replace(
        /\/\*[^]*?\*\//g,
        '',
      );
      expect(text).not.toMatch(/\?\?|\?\.|`|\bnode:|\bconst\b|\blet\b|=>|\bawait\b/);
    }
  });
});
