import {spawn} from 'node:child_process';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {rootFolder} from '../../scripts/setup/paths.mjs';
import {descendants, isAlive} from '#scripts/processes.js';

const root = rootFolder();

/**
 * `npm start` without its set-up, which `npm test` has done; resolves when it says that it is open.
 */
async function open(): Promise<{
  pid: number;
  url: string;
  all: number[];
  kill(signal: NodeJS.Signals): void;
  end: Promise<number | null>;
}> {
  const child = spawn(
    process.execPath,
    [join(root, 'scripts/start.mjs'), '--no-browser', '--port', '0'],
    {cwd: root, stdio: ['ignore', 'pipe', 'pipe']},
  );
  let said = '';
  child.stderr.on('data', (bytes: Buffer) => (said += bytes.toString('utf8')));
  const end = new Promise<number | null>((resolve) => child.on('close', resolve));
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (bytes: Buffer) => {
      said += bytes.toString('utf8');
      const found = /Many Hands is open: +(http\S+)\s/.exec(said)?.[1];
      if (found) resolve(found);
    });
    void end.then(() => reject(new Error(`JupyterLab ended:\n${said}`)));
  });
  return {
    pid: child.pid!,
    url,
    all: [child.pid!, ...descendants(child.pid!)],
    kill: (signal) => child.kill(signal),
    end,
  };
}

async function allGone(pids: number[]): Promise<boolean> {
  for (let i = 0; i < 100 && pids.some(isAlive); i++)
    await new Promise((resolve) => setTimeout(resolve, 100));
  return !pids.some(isAlive);
}

describe('npm start', () => {
  it('opens JupyterLab at notebook 00 with our kernel, without its question about news, and ends cleanly', async () => {
    const lab = await open();
    const {origin, pathname, searchParams} = new URL(lab.url);
    expect(pathname).toBe('/lab/tree/notebooks/00-many-hands.ipynb');
    const page = await fetch(lab.url);
    expect(page.status).toBe(200);
    const headers = {authorization: `token ${searchParams.get('token')}`};
    const specs = (await (await fetch(`${origin}/api/kernelspecs`, {headers})).json()) as {
      kernelspecs: Record<string, {spec: {display_name: string; argv: string[]}}>;
    };
    expect(specs.kernelspecs['many-hands'].spec).toMatchObject({
      display_name: 'TypeScript (Many Hands)',
    });
    expect(specs.kernelspecs['many-hands'].spec.argv[0]).toBe(process.execPath);
    const settings = (await (
      await fetch(`${origin}/lab/api/settings/@jupyterlab/apputils-extension:notification`, {
        headers,
      })
    ).json()) as {schema: {properties: Record<string, {default: unknown}>}};
    expect(settings.schema.properties.fetchNews.default).toBe('false');
    expect(settings.schema.properties.checkForUpdates.default).toBe(false);
    lab.kill('SIGINT');
    expect(await lab.end).toBe(0);
    expect(await allGone(lab.all)).toBe(true);
  });

  it('leaves no JupyterLab behind when it is killed', async () => {
    const lab = await open();
    expect(lab.all.length).toBeGreaterThan(1);
    lab.kill('SIGKILL');
    await lab.end;
    expect(await allGone(lab.all)).toBe(true);
  });
});
