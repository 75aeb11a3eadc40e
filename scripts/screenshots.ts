#!/usr/bin/env node
/**
 * The caller's side. For authors: runs a notebook in the real JupyterLab and writes a picture of
 * every output, of every cell that has one, and of the whole page, light and dark, to
 * build/screenshots/NAME/.
 * node build/scripts/screenshots.js NOTEBOOK [--theme light|dark] [--width 1280] [--stored]
 */
import * as fs from 'node:fs';
import * as path from 'node:path';
import type {Page} from 'playwright-core';
import {exitWith, runCommand, typedPath, wrongUse, type Values} from './command';
import {labCommand, openBrowser, openNotebook, setTheme, showWhole} from './lab/browser';
import {startLab} from './lab/server';
import {makeWorkspace} from './notebooks/workspace';
import {courseRoot} from './root';

type Theme = 'light' | 'dark';

async function takeAll(page: Page, folder: string, theme: Theme): Promise<number> {
  await page.screenshot({path: path.join(folder, `page-${theme}.png`)});
  const cells = page.locator('.jp-NotebookPanel .jp-Cell');
  let count = 0;
  for (let cell = 0; cell < (await cells.count()); cell += 1) {
    const outputs = cells.nth(cell).locator('.jp-Cell-outputArea > .jp-OutputArea-child');
    const name = `cell-${String(cell + 1).padStart(2, '0')}`;
    for (let output = 0; output < (await outputs.count()); output += 1) {
      const box = await outputs.nth(output).boundingBox();
      if (!box || box.height < 1) continue;
      await outputs.nth(output).screenshot({
        path: path.join(folder, `${name}-output-${output + 1}-${theme}.png`),
      });
      count += 1;
    }
    // The cell with its code, for README.
    if ((await outputs.count()) > 0)
      await cells.nth(cell).screenshot({path: path.join(folder, `${name}-${theme}.png`)});
  }
  return count;
}

const options = {
  theme: {type: 'string'},
  width: {type: 'string', default: '1280'},
  stored: {type: 'boolean', default: false},
} as const;

const help = `Runs a notebook in the real JupyterLab and writes a picture of every output, of every cell that has one, and of the whole page.

  node build/scripts/screenshots.js NOTEBOOK [--theme light|dark] [--width 1280] [--stored]

--theme   one theme alone; default: both
--width   of the page, in pixels
--stored  shows the stored outputs; runs nothing

The pictures are in build/screenshots/NAME/. Exit code: 0 taken; 1 it failed; 2 wrong use.
`;

async function takePictures({
  values,
  words,
}: {
  values: Values<typeof options>;
  words: string[];
}): Promise<number> {
  if (words.length !== 1) throw wrongUse('screenshots: name one notebook.');
  if (values.theme !== undefined && !['light', 'dark'].includes(values.theme))
    throw wrongUse(`screenshots: --theme is '${values.theme}'; it may be light or dark.`);
  const notebook = typedPath(words[0]!);
  const themes: Theme[] = values.theme ? [values.theme as Theme] : ['light', 'dark'];
  const name = path.basename(notebook, '.ipynb');
  const folder = path.join(courseRoot(), 'build', 'screenshots', name);
  fs.rmSync(folder, {recursive: true, force: true});
  fs.mkdirSync(folder, {recursive: true});
  const workspace = makeWorkspace([notebook]);
  const lab = await startLab({env: {COURSE_SCALE: process.env.COURSE_SCALE ?? 'ci'}});
  const browser = await openBrowser().catch(async (error: unknown) => {
    await lab.stop();
    workspace.remove();
    throw error;
  });
  const stop = async (): Promise<void> => {
    await browser.close();
    await lab.stop();
    workspace.remove();
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void stop().then(() => process.exit(130)));
  try {
    const width = Number(values.width);
    const page = await browser.newPage({viewport: {width, height: 1000}});
    await openNotebook(page, lab.page(path.join(workspace.folder, path.basename(notebook))));
    await setTheme(page, themes[0]!);
    if (!values.stored) {
      await labCommand(page, 'notebook:run-all-cells');
      await page.waitForTimeout(1_000);
      await labCommand(page, 'docmanager:save');
    }
    await labCommand(page, 'application:toggle-left-area');
    await showWhole(page);
    for (const theme of themes) {
      await setTheme(page, theme);
      const count = await takeAll(page, folder, theme);
      process.stdout.write(
        `${theme}: page-${theme}.png and ${count} outputs in ${path.relative(process.cwd(), folder)}\n`,
      );
    }
    return 0;
  } finally {
    await stop();
  }
}

if (require.main === module)
  exitWith(
    runCommand(
      {
        name: 'screenshots',
        typedHelp: 'node build/scripts/screenshots.js --help',
        help,
        options,
        takesWords: true,
        run: takePictures,
      },
      process.argv.slice(2),
    ),
  );
