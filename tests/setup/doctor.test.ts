import {spawnSync} from 'node:child_process';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {rootFolder} from '../../scripts/setup/paths.mjs';

const root = rootFolder();
const doctor = (...args: string[]) =>
  spawnSync(process.execPath, [join(root, 'scripts/bootstrap.mjs'), 'doctor', ...args], {
    cwd: root,
    encoding: 'utf8',
  });

interface Report {
  engine: {name: string; libtensorflow: string | null; cuda: string | null; addon: string | null};
  devices: {id: string; kind: string; name: string; memoryBytes: number; threads: number}[];
  checks: {name: string; status: 'ok' | 'warn' | 'fail'; message: string; fix: string | null}[];
}

describe('npm run doctor', () => {
  it('gives one JSON object, with the engine, every device, and a check a line', () => {
    const {stdout, status} = doctor('--json');
    const report = JSON.parse(stdout) as Report;
    expect(Object.keys(report)).toEqual([
      'node',
      'python',
      'jupyterlab',
      'kernel',
      'engine',
      'devices',
      'checks',
    ]);
    expect(Object.keys(report.engine)).toEqual(['name', 'libtensorflow', 'cuda', 'addon']);
    expect(report.devices.at(-1)).toMatchObject({id: 'cpu', kind: 'cpu'});
    for (const device of report.devices)
      expect(Object.keys(device)).toEqual(['id', 'kind', 'name', 'memoryBytes', 'threads']);
    const names = report.checks.map(({name}) => name);
    expect(names).toEqual(
      expect.arrayContaining([
        'Node.js',
        'npm',
        'Python',
        'JupyterLab',
        'kernel',
        'plot renderer',
        'engine',
        'CUDA',
        'device cpu',
        'cores',
        '/dev/shm',
      ]),
    );
    for (const check of report.checks)
      expect(Object.keys(check)).toEqual(['name', 'status', 'message', 'fix']);
    expect(status).toBe(report.checks.some((check) => check.status === 'fail') ? 1 : 0);
  });

  it('says a line a check, and counts them', () => {
    const {stdout} = doctor();
    expect(stdout).toMatch(/^ok {4}Node\.js +\d+\.\d+\.\d+$/m);
    expect(stdout).toMatch(/\n\d+ ok, \d+ warn, \d+ fail\n$/);
  });

  it('does not know other options', () => {
    const {status, stderr} = doctor('--jason');
    expect(status).toBe(2);
    expect(stderr).toContain("doctor does not know '--jason'");
  });
});
