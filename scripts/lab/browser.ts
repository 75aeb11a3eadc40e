/**
 * The caller's side, scripts only. Chromium on a page of JupyterLab: run all, change the theme, and
 * see the outputs.
 */
import * as fs from 'node:fs';
import {setTimeout as sleep} from 'node:timers/promises';
import {chromium, type Browser, type Page} from 'playwright-core';

const places = [
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
  '/usr/bin/google-chrome-stable',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
];

/** The browser's program: CHROMIUM, else where systems put it; undefined where there is none. */
export function findChromium(): string | undefined {
  const named = process.env.CHROMIUM;
  if (named) return fs.existsSync(named) ? named : undefined;
  return places.find((place) => fs.existsSync(place));
}

/** Why there is no browser, in the words that a skipped test shows. */
export function noChromium(): string {
  const named = process.env.CHROMIUM;
  return named
    ? `CHROMIUM is ${named}, which is not there`
    : 'no Chromium is installed (Debian: apt-get install chromium; or name one in CHROMIUM)';
}

export async function openBrowser(): Promise<Browser> {
  const executablePath = findChromium();
  if (!executablePath) throw new Error(`The browser cannot be started: ${noChromium()}.`);
  return chromium.launch({
    executablePath,
    headless: true,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

/**
 * JupyterLab's own application object, as far as these scripts use it
 * (`--LabApp.expose_app_in_browser=True`).
 */
interface LabWindow {
  jupyterapp?: {
    commands: {execute(name: string, args?: object): Promise<unknown>};
    shell: {
      currentWidget: {
        sessionContext?: {
          session?: {
            kernel?: {connectionStatus: string; status: string; info: Promise<object>} | null;
          } | null;
        };
      } | null;
    };
  };
}

/** Opens a notebook's page and waits until its kernel answers. */
export async function openNotebook(page: Page, address: string): Promise<void> {
  await page.goto(address);
  await page.locator('.jp-NotebookPanel .jp-Cell').first().waitFor({timeout: 60_000});
  await kernelReady(page);
}

/**
 * Waits until the shown notebook's kernel has answered. Its sign on the page already says "idle"
 * while there is no kernel yet, and to run a cell then opens a question; and it may go on saying
 * "unknown" of one that answers, where the kernel's first message came before the browser listened.
 */
async function kernelReady(page: Page, timeoutMs = 60_000): Promise<void> {
  const state = (): Promise<string> =>
    page.evaluate(() => {
      const kernel = (window as unknown as LabWindow).jupyterapp?.shell.currentWidget
        ?.sessionContext?.session?.kernel;
      return kernel ? `${kernel.connectionStatus}, ${kernel.status}` : 'none';
    });
  const deadline = Date.now() + timeoutMs;
  while (!(await state()).startsWith('connected')) {
    if (Date.now() > deadline)
      throw new Error(
        `The notebook has no kernel after ${timeoutMs / 1000} s (${await state()}). ${await openDialog(page)}`,
      );
    await sleep(200);
  }
  const answered = page.evaluate(async () => {
    await (window as unknown as LabWindow).jupyterapp?.shell.currentWidget?.sessionContext?.session
      ?.kernel?.info;
    return true;
  });
  if (await inTime(answered, Math.max(1_000, deadline - Date.now()))) return;
  throw new Error(
    `The notebook's kernel did not answer within ${timeoutMs / 1000} s (${await state()}). ${await openDialog(page)}`,
  );
}

/** Whether a promise ended well before its time was over; where not, it is left to itself. */
async function inTime(promise: Promise<boolean>, timeoutMs: number): Promise<boolean> {
  const late = new AbortController();
  const done = await Promise.race([
    promise,
    sleep(timeoutMs, false, {signal: late.signal}).catch(() => false),
  ]);
  late.abort();
  if (!done) promise.catch(() => undefined); // It rejects when the page closes.
  return done;
}

async function openDialog(page: Page): Promise<string> {
  const texts = await page.locator('.jp-Dialog-content').allInnerTexts();
  return texts.length
    ? `A dialog is open: ${texts.join(' ').replace(/\s+/g, ' ')}`
    : 'No dialog is open.';
}

/** Runs one of JupyterLab's commands, such as 'notebook:run-all-cells', and waits for its end. */
export async function labCommand(
  page: Page,
  name: string,
  args: object = {},
  timeoutMs = 300_000,
): Promise<void> {
  const ended = page.evaluate(
    async ([command, given]) => {
      await (window as unknown as LabWindow).jupyterapp?.commands.execute(command, given);
      return true;
    },
    [name, args] as const,
  );
  if (!(await inTime(ended, timeoutMs)))
    throw new Error(
      `JupyterLab's '${name}' did not end within ${timeoutMs / 1000} s. ${await openDialog(page)}`,
    );
}

/** Changes JupyterLab's theme, and waits until it shows. */
export async function setTheme(page: Page, theme: 'light' | 'dark'): Promise<void> {
  await labCommand(page, 'apputils:change-theme', {
    theme: theme === 'light' ? 'JupyterLab Light' : 'JupyterLab Dark',
  });
  await page
    .locator(`body[data-jp-theme-light="${theme === 'light'}"]`)
    .waitFor({state: 'attached'});
  await page.waitForTimeout(500);
}

/**
 * The label, in JupyterLab's words, of every code cell: '1', '*' while it runs, or '' where it has
 * not.
 */
export function prompts(page: Page): Promise<string[]> {
  return page
    .locator('.jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell .jp-InputPrompt')
    .allInnerTexts()
    .then((all) => all.map((text) => text.replace(/[[\]:\s]/g, '')));
}

/** Makes the window as tall as the notebook, so that one picture, or one check, sees all of it. */
export async function showWhole(page: Page): Promise<void> {
  const width = page.viewportSize()?.width ?? 1280;
  let before = 0;
  // A window of another size lays cells out anew, and they may become taller.
  for (let attempt = 0; attempt < 5; attempt += 1) {
    const height = await page.evaluate(() => {
      const cells = Array.from(
        document.querySelectorAll('.jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell'),
      );
      return cells.reduce((sum, cell) => sum + cell.getBoundingClientRect().height + 12, 400);
    });
    // The notebook stays where it was scrolled to, and below its last cell there is room to scroll
    // to.
    await page
      .locator('.jp-NotebookPanel:not(.lm-mod-hidden) .jp-WindowedPanel-outer')
      .evaluateAll((all) => all.forEach((outer) => (outer.scrollTop = 0)));
    if (height === before) return;
    before = height;
    await page.setViewportSize({width, height: Math.min(Math.ceil(height), 30_000)});
    await page.waitForTimeout(600);
  }
}
