import {spawnSync} from 'node:child_process';
import {describe, expect, it} from 'vitest';

describe('planning from numbers', () => {
  it.each([
    'lib/specPlanner/planSpec.js',
    'lib/simulate/simulate.js',
    'lib/simulate/simulateRow.js',
  ])('%s loads no installed package, so no tfjs', (file) => {
    const program = `require('./build/${file}'); process.stdout.write(JSON.stringify(Object.keys(require.cache).filter((file) => file.includes('node_modules'))))`;
    const {stdout, stderr} = spawnSync(process.execPath, ['-e', program], {encoding: 'utf8'});
    expect({stdout, stderr}).toEqual({stdout: '[]', stderr: ''});
  });
});
