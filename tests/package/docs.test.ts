import {execFileSync} from 'node:child_process';
import {existsSync, mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {expect, it} from 'vitest';

it('every public name has its docstring, and every link in them leads somewhere', () => {
  const root = join(__dirname, '../..');
  const out = mkdtempSync(join(tmpdir(), 'docs-'));
  try {
    // typedoc ends with 4 where a warning counts as an error (scripts/typedoc.json).
    execFileSync(process.execPath, [join(root, 'node_modules/typedoc/bin/typedoc'), '--options', join(root, 'scripts/typedoc.json'), '--out', out], {cwd: root, stdio: ['ignore', 'pipe', 'pipe']});
    for (const page of ['functions/trainParallel.html', 'functions/spmd.html', 'interfaces/Communicator.html']) expect(existsSync(join(out, page))).toBe(true);
  } finally {
    rmSync(out, {recursive: true, force: true});
  }
});
