import {execFileSync} from 'node:child_process';
import {join} from 'node:path';
import {expect, it} from 'vitest';

it('many runs at once give no warning, and leave no listener', () => {
  const program = join(__dirname, 'fixtures', 'together.cjs');
  const out = execFileSync(process.execPath, ['--trace-warnings', program], {
    encoding: 'utf8',
    timeout: 280_000,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  expect(JSON.parse(out.trim())).toEqual({warnings: [], listeners: 0});
}, 300_000);
