/** Caller side. `npm start`: JupyterLab, opened at notebook 00, until Ctrl-C. JupyterLab's own flags pass through. */
import {spawn} from 'node:child_process';
import {existsSync, mkdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';

const FIRST = 'notebooks/00-many-hands.ipynb';

/** JupyterLab ends itself when our end of its standard input closes: so it never outlives us, not even after kill -9. */
const LAB = `
import os, signal, sys, threading

def watch():
    while sys.stdin.buffer.read(1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)

threading.Thread(target=watch, daemon=True).start()
from jupyterlab.labapp import main
sys.argv[0] = "jupyter-lab"
sys.exit(main())
`;

/** What a running Jupyter server writes of itself. */
interface ServerNote {
  url: string;
  token: string;
}

async function answering(note: ServerNote): Promise<boolean> {
  try {
    return (await fetch(`${note.url}api`, {signal: AbortSignal.timeout(2000)})).ok;
  } catch {
    return false;
  }
}

/** The server's own note, once it answers; null when it ended before. */
async function ready(file: string, ended: () => boolean): Promise<ServerNote | null> {
  while (!ended()) {
    if (existsSync(file)) {
      try {
        const note = JSON.parse(readFileSync(file, 'utf8')) as ServerNote;
        if (await answering(note)) return note;
      } catch {
        // It is being written.
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return null;
}

async function main(flags: string[]): Promise<number> {
  const {jupyterEnvironment, paths} = await import('./setup/paths.mjs');
  const at = paths();
  const env = jupyterEnvironment(at);
  mkdirSync(env.JUPYTER_RUNTIME_DIR, {recursive: true, mode: 0o700});
  const own = [
    `--ServerApp.root_dir=${at.root}`,
    `--LabApp.default_url=/lab/tree/${FIRST}`,
    '--log-level=WARN',
    // Jupyter refuses root unless told; in a container one is root.
    ...(process.getuid?.() === 0 ? ['--allow-root'] : []),
  ];
  const lab = spawn(at.python, ['-c', LAB, ...own, ...flags], {
    cwd: at.root,
    env,
    // A process group of its own: Ctrl-C reaches us alone, and JupyterLab is ended without its question.
    detached: process.platform !== 'win32',
    stdio: ['pipe', 'inherit', 'inherit'],
  });
  let code: number | null = null;
  const end = new Promise<number>((resolve, reject) => {
    lab.on('error', reject);
    lab.on('close', (status) => resolve((code = status ?? 1)));
  });
  let stopped = false;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (!stopped) process.stdout.write('\nMany Hands closes; notebooks that were saved are saved.\n');
      stopped = true;
      lab.kill('SIGTERM');
    });
  }
  const engine = JSON.parse(readFileSync(at.engineJson, 'utf8')) as {name: string; reason: string | null; fix: string | null};
  if (engine.name === 'javascript') {
    process.stdout.write(`JavaScript's own engine runs here, at small sizes: ${engine.reason}${engine.fix ? `\n  To mend it:  ${engine.fix}` : ''}\n`);
  }
  const note = await ready(join(env.JUPYTER_RUNTIME_DIR, `jpserver-${lab.pid}.json`), () => code !== null);
  if (note) {
    const token = note.token ? `?token=${note.token}` : '';
    process.stdout.write(`\nMany Hands is open:  ${note.url}lab/tree/${FIRST}${token}\nCtrl-C here ends it.\n\n`);
  }
  const status = await end;
  return stopped ? 0 : status;
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);
