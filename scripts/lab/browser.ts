/** The caller's side, scripts only. Chromium on a page of JupyterLab: run all, change the theme, and see the outputs. */
import * as fs from 'node:fs';
import {setTimeout as sleep} from 'node:timers/promises';
import {chromium, type Browser, type Page} from 'playwright-core';

const places = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome', '/usr/bin/google-chrome-stable',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome', '/Applications/Chromium.app/Contents/MacOS/Chromium'];

/** The browser's program: CHROMIUM, else where systems put it; undefined where there is none. */
export function findChromium(): string | undefined {
  const named = process.env['CHROMIUM'];
  if (named) return fs.existsSync(named) ? named : undefined;
  return places.find((place) => fs.existsSync(place));
}

/** Why there is no browser, in the words that a skipped test shows. */
export function noChromium(): string {
  const named = process.env['CHROMIUM'];
  return named ? `CHROMIUM is ${named}, which is not there` : 'no Chromium is installed (Debian: apt-get install chromium; or name one in CHROMIUM)';
}

export async function openBrowser(): Promise<Browser> {
  const executablePath = findChromium();
  if (!executablePath) throw new Error(`The browser cannot be started: ${noChromium()}.`);
  return chromium.launch({
    executablePath,
    headless: true,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
}

/** JupyterLab's own application object, as far as these scripts use it (`--LabApp.expose_app_in_browser=True`). */
interface LabWindow {
  jupyterapp?: {
    commands: {execute(name: string, args?: object): Promise<unknown>};
    shell: {currentWidget: {sessionContext?: {session?: {kernel?: {connectionStatus: string; status: string} | null} | null}} | null};
  };
}

/** Opens a notebook's page and waits until its kernel is connected and idle. */
export async function openNotebook(page: Page, address: string): Promise<void> {
  await page.goto(address);
  await page.locator('.jp-NotebookPanel .jp-Cell').first().waitFor({timeout: 60_000});
  await kernelIdle(page);
}

/**
 * Waits until the shown notebook's kernel is connected and idle.
 * The sign on the page already says "idle" while there is no kernel yet, and to run a cell then opens a question.
 */
export async function kernelIdle(page: Page, timeoutMs = 60_000): Promise<void> {
  await page.waitForFunction(() => {
    const kernel = (window as unknown as LabWindow).jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel;
    return kernel?.connectionStatus === 'connected' && kernel.status === 'idle';
  }, undefined, {timeout: timeoutMs, polling: 200});
}

/** Runs one of JupyterLab's commands, such as 'notebook:run-all-cells', and waits for its end. */
export async function labCommand(page: Page, name: string, args: object = {}, timeoutMs = 300_000): Promise<void> {
  const ended = page.evaluate(async ([command, given]) => {
    await (window as unknown as LabWindow).jupyterapp?.commands.execute(command, given);
    return true;
  }, [name, args] as const);
  const late = new AbortController();
  const done = await Promise.race([ended, sleep(timeoutMs, false, {signal: late.signal}).catch(() => false)]);
  late.abort();
  if (done) return;
  ended.catch(() => undefined); // It rejects when the page closes, which is after the error below.
  const dialog = await page.locator('.jp-Dialog-content').allInnerTexts();
  throw new Error(`JupyterLab's '${name}' did not end within ${timeoutMs / 1000} s${dialog.length ? `; a dialog is open: ${dialog.join(' ').replace(/\s+/g, ' ')}` : ''}.`);
}

/** Changes JupyterLab's theme, and waits until it shows. */
export async function setTheme(page: Page, theme: 'light' | 'dark'): Promise<void> {
  await labCommand(page, 'apputils:change-theme', {theme: theme === 'light' ? 'JupyterLab Light' : 'JupyterLab Dark'});
  await page.locator(`body[data-jp-theme-light="${theme === 'light'}"]`).waitFor({state: 'attached'});
  await page.waitForTimeout(500);
}

/** The label, in JupyterLab's words, of every code cell: '1', '*' while it runs, or '' where it has not. */
export function prompts(page: Page): Promise<string[]> {
  return page.locator('.jp-NotebookPanel:not(.lm-mod-hidden) .jp-CodeCell .jp-InputPrompt').allInnerTexts().then((all) => all.map((text) => text.replace(/[[\]:\s]/g, '')));
}
