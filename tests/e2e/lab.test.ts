/**
 * A learner's way through notebook 00: `npm start`, the menu, the chart that moves, a quiz cell
 * wrong and then right.
 */
import {AxeBuilder} from '@axe-core/playwright';
import * as fs from 'node:fs';
import * as path from 'node:path';
import type {Browser, Locator, Page} from 'playwright-core';
import {afterAll, beforeAll, describe, expect, it, type TestContext} from 'vitest';
import {
  findChromium,
  noChromium,
  openBrowser,
  openNotebook,
  prompts,
  setTheme,
  showWhole,
} from '#scripts/lab/browser.js';
import {startLab, type Lab} from '#scripts/lab/server.js';
import {makeWorkspace, type Workspace} from '#scripts/notebooks/workspace.js';
import {courseRoot} from '#scripts/root.js';
import {loadBank} from '#lib/quiz/bank.js';
import type {ChoiceQuestion} from '#lib/quiz/question.js';

const withoutBrowser = findChromium() ? null : noChromium();
const pictures = path.join(courseRoot(), 'build', 'screenshots', 'e2e');
const notebook = '00-many-hands.ipynb';

let workspace: Workspace;
let lab: Lab;
let browser: Browser;
let page: Page;

function needsBrowser(context: TestContext): void {
  if (withoutBrowser) context.skip(withoutBrowser);
}

/** A cell by its id in the file; JupyterLab's page does not hold ids. */
function cell(id: string): Locator {
  const {cells} = JSON.parse(
    fs.readFileSync(path.join(courseRoot(), 'notebooks', notebook), 'utf8'),
  ) as {cells: {id: string}[]};
  const index = cells.findIndex((each) => each.id === id);
  expect(index, `a cell '${id}' in ${notebook}`).toBeGreaterThanOrEqual(0);
  return page.locator('.jp-NotebookPanel .jp-Notebook .jp-Cell').nth(index);
}

/** The cell that trains, by what it does. */
function idOf(pattern: RegExp): string {
  const {cells} = JSON.parse(
    fs.readFileSync(path.join(courseRoot(), 'notebooks', notebook), 'utf8'),
  ) as {cells: {id: string; cell_type: string; source: string[]}[]};
  const found = cells.find(
    ({cell_type: type, source}) =>
      type === 'code' && pattern.test(([] as string[]).concat(source).join('')),
  );
  expect(found, `a code cell of ${notebook} that has ${String(pattern)}`).toBeDefined();
  return found!.id;
}

async function picture(name: string, of: Page | Locator = page): Promise<void> {
  fs.mkdirSync(pictures, {recursive: true});
  await of.screenshot({path: path.join(pictures, `${name}.png`)});
}

/**
 * Types a letter between the quotes of `answer('id', '')`, in place of what stands there, and runs
 * the cell as a learner does.
 */
async function answerWith(quiz: Locator, letter: string): Promise<void> {
  const line = quiz.locator('.cm-line', {hasText: 'answer('}).last();
  await line.scrollIntoViewIfNeeded();
  await line.click();
  await page.keyboard.press('End');
  const text = (await line.innerText()).trimEnd();
  for (let left = text.length - text.lastIndexOf("'"); left > 0; left -= 1)
    await page.keyboard.press('ArrowLeft');
  if (/'[A-D]'/.test(text)) await page.keyboard.press('Backspace');
  await page.keyboard.type(letter);
  await page.keyboard.press('Shift+Enter');
}

interface ChartState {
  source: string;
  progress: number;
}

/** From now on, keeps every state that the output of a cell passes through. */
async function recordChart(of: Locator): Promise<void> {
  await of.evaluate((element) => {
    const states: ChartState[] = [];
    (window as unknown as {chartStates: ChartState[]}).chartStates = states;
    new MutationObserver(() => {
      const source = element.querySelector('.jp-OutputArea-output img')?.getAttribute('src');
      const progress = element.querySelector<HTMLProgressElement>(
        '.jp-OutputArea-output progress',
      )?.value;
      if (source && progress !== undefined && states[states.length - 1]?.source !== source)
        states.push({source, progress});
    }).observe(element, {childList: true, subtree: true, attributes: true});
  });
}

function recordedChart(): Promise<ChartState[]> {
  return page.evaluate(() => (window as unknown as {chartStates: ChartState[]}).chartStates);
}

/**
 * Contrast, by WCAG's formula, of the labels around plotly.js's figures with the paper under them.
 */
function plotlyContrasts(): Promise<{text: string; ratio: number}[]> {
  return page.locator('.js-plotly-plot').evaluateAll((plots) =>
    plots.flatMap((plot) => {
      const luminance = (color: string): number => {
        const [r, g, b] = (color.match(/[\d.]+/g) ?? [])
          .slice(0, 3)
          .map((part) => Number(part) / 255)
          .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!;
      };
      const paper = luminance(getComputedStyle(plot.querySelector('.main-svg')!).backgroundColor);
      return Array.from(
        plot.querySelectorAll('.xtick text, .ytick text, .gtitle, .xtitle, .ytitle, .legendtext'),
      ).map((text) => {
        const ink = luminance(getComputedStyle(text).fill);
        return {
          text: text.textContent ?? '',
          ratio: (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05),
        };
      });
    }),
  );
}

describe('notebook 00 in JupyterLab', () => {
  beforeAll(async () => {
    if (withoutBrowser) return;
    workspace = makeWorkspace([path.join(courseRoot(), 'notebooks', notebook)]);
    lab = await startLab({
      command: ['npm', 'start', '--'],
      env: {COURSE_SCALE: 'ci'},
      timeoutMs: 120_000,
    });
    browser = await openBrowser();
    const context = await browser.newContext({viewport: {width: 1280, height: 1000}});
    page = await context.newPage();
    await openNotebook(page, lab.page(path.join(workspace.folder, notebook)));
  }, 180_000);

  afterAll(async () => {
    await browser?.close();
    await lab?.stop();
    workspace?.remove();
  }, 60_000);

  it('opens without a question', async (context) => {
    needsBrowser(context);
    expect(lab.log()).toMatch(/Many Hands is open: {2}http:\/\/\S+00-many-hands\.ipynb/);
    await page.waitForTimeout(1_500); // The question about news comes a moment after the page.
    expect(await page.locator('.jp-Dialog').count()).toBe(0);
    expect(await page.locator('.Toastify__toast').allInnerTexts()).toEqual([]);
    expect((await prompts(page)).every((prompt) => prompt === '')).toBe(true);
    await picture('opened');
  });

  it('runs all cells from the menu, and its chart moves while training runs', async (context) => {
    needsBrowser(context);
    const trains = cell(idOf(/await train\(/));
    await recordChart(trains);
    const all = await prompts(page).then(({length}) => length);
    await page.getByRole('menuitem', {name: 'Run', exact: true}).click();
    await page.getByRole('menuitem', {name: 'Run All Cells', exact: true}).click();
    const chart = trains.locator('.jp-OutputArea-output img').first();
    await chart.waitFor({timeout: 60_000});
    await trains.locator('.jp-Cell-outputArea').scrollIntoViewIfNeeded(); // Not the picture itself, which is replaced all the time.
    await picture('while-training');
    await expect
      .poll(async () => (await prompts(page)).filter((prompt) => /^\d+$/.test(prompt)).length, {
        timeout: 90_000,
        interval: 200,
      })
      .toBe(all);
    const seen = await recordedChart();
    expect((await prompts(page)).map(Number)).toEqual(Array.from({length: all}, (_, at) => at + 1));
    expect(seen.length, 'different states of the chart that were seen').toBeGreaterThanOrEqual(3);
    const progress = seen.map((each) => each.progress);
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
    expect(progress[progress.length - 1]!).toBeGreaterThan(progress[0]!);
    // The picture is drawn, not only named.
    expect(
      await chart.evaluate((image: HTMLImageElement) => image.complete && image.naturalWidth),
    ).toBeGreaterThan(300);
    expect(await chart.getAttribute('alt')).toMatch(/loss/i);
  }, 120_000);

  it('ends without an error, and with its figures drawn', async (context) => {
    needsBrowser(context);
    expect(
      await page
        .locator('.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.stderr"]')
        .allInnerTexts(),
    ).toEqual([]);
    expect(
      await page
        .locator('.jp-OutputArea-output[data-mime-type="application/vnd.jupyter.error"]')
        .allInnerTexts(),
    ).toEqual([]);
    const figures = page.locator('.js-plotly-plot');
    expect(await figures.count()).toBeGreaterThanOrEqual(1);
    await expect
      .poll(() => figures.first().locator('.scatterlayer .trace path, .barlayer path').count())
      .toBeGreaterThanOrEqual(1);
    expect(await page.locator('.Toastify__toast, .jp-Dialog').allInnerTexts()).toEqual([]);
    await picture('figure', figures.first());
  });

  it('judges an answer, wrong and then right', async (context) => {
    needsBrowser(context);
    const id = 'puzzle';
    const question = loadBank().find(id) as ChoiceQuestion;
    const right = question.options.find((option) => option.right)!.letter;
    const wrong = question.options.find((option) => !option.right)!.letter;
    const quiz = cell(idOf(new RegExp(`answer\\('${id}'`)));
    const card = quiz.locator('.jp-OutputArea-output').first();
    expect(await card.innerText()).toMatch(/not answered yet/i);
    await answerWith(quiz, wrong);
    await expect
      .poll(() => card.innerText(), {timeout: 10_000})
      .toContain(`✗ Not right: ${wrong}.`);
    expect(await card.innerText()).toContain('The mistake behind it');
    await picture('wrong', quiz);
    await answerWith(quiz, right);
    await expect.poll(() => card.innerText(), {timeout: 10_000}).toContain(`✓ Right: ${right}.`);
    expect(await card.innerText()).toContain('The solution, in steps');
    await picture('right', quiz);
  });

  it.for(['light', 'dark'] as const)(
    'can be read in the %s theme',
    {timeout: 60_000},
    async (theme, context) => {
      needsBrowser(context);
      await setTheme(page, theme);
      await page
        .locator('.jp-OutputArea-output details')
        .evaluateAll((all) => all.forEach((details) => details.setAttribute('open', '')));
      await showWhole(page);
      // JupyterLab's body has no height and hides what goes beyond it, which axe takes for
      // "hidden", and then it checks nothing.
      await page.addStyleTag({content: 'body {overflow: visible !important}'});
      // Only what our cells show: JupyterLab itself is out of our hands, and so is its box around
      // an output, which scrolls.
      const found = await new AxeBuilder({page})
        .include('.jp-OutputArea-output')
        .withTags(['wcag2a', 'wcag2aa', 'wcag21aa'])
        .disableRules('scrollable-region-focusable')
        .analyze();
      const problems = found.violations.flatMap(({id, nodes}) =>
        nodes.map(
          ({target, failureSummary}) => `${id}: ${target.join(' ')}: ${failureSummary ?? ''}`,
        ),
      );
      expect(problems).toEqual([]);
      const checked = new Map(found.passes.map(({id, nodes}) => [id, nodes.length]));
      expect(
        checked.get('color-contrast') ?? 0,
        'texts whose contrast was measured',
      ).toBeGreaterThan(20);
      expect(checked.get('image-alt') ?? 0).toBeGreaterThanOrEqual(3);
      // axe leaves out the text of drawings: plotly.js's own labels are measured here.
      const labels = await plotlyContrasts();
      expect(labels.length).toBeGreaterThan(5);
      expect(labels.filter(({ratio}) => ratio < 4.5)).toEqual([]);
      await picture(`outputs-${theme}`);
    },
  );

  it('shows its figures in a notebook that is not trusted', async (context) => {
    needsBrowser(context);
    await page.setViewportSize({width: 1280, height: 1000});
    await setTheme(page, 'light');
    await page.keyboard.press('Escape');
    await page.keyboard.press('Control+s');
    const stored = path.join(workspace.folder, notebook);
    const saved = (): string => {
      const text = fs.readFileSync(stored, 'utf8');
      return text.endsWith('}\n') || text.endsWith('}') ? text : ''; // Else it is still being written.
    };
    await expect.poll(saved, {timeout: 10_000}).toContain('vnd.plotly');
    const copy = JSON.parse(saved()) as {metadata: Record<string, unknown>};
    copy.metadata.title = 'sent by mail'; // Trust is by content: this one, nobody has run here.
    const sent = path.join(workspace.folder, 'sent.ipynb');
    fs.writeFileSync(sent, JSON.stringify(copy));
    await openNotebook(page, lab.page(sent));
    expect(lab.log()).toMatch(/sent\.ipynb is not trusted/);
    const outputs = page.locator('.jp-OutputArea-output');
    // JupyterLab's plotly renderer has stored a picture of each figure, and draws the figure itself
    // once the mouse is over it.
    const figure = page.locator('.jp-RenderedPlotly').first();
    await figure.locator('img.plot-img').waitFor({timeout: 20_000});
    const images = await outputs.locator('img').evaluateAll((all) =>
      all.map((image) => ({
        drawn: (image as HTMLImageElement).naturalWidth > 0,
        named: image.className === 'plot-img' || (image.getAttribute('alt') ?? '') !== '', // The renderer's own picture; its words stand under it.
      })),
    );
    expect(images.length).toBeGreaterThanOrEqual(3);
    expect(images.filter(({drawn, named}) => !drawn || !named)).toEqual([]);
    await picture('not-trusted', figure);
    await figure.hover();
    await page
      .locator('.js-plotly-plot .scatterlayer .trace path, .js-plotly-plot .barlayer path')
      .first()
      .waitFor({state: 'attached', timeout: 20_000});
    expect(await outputs.filter({hasText: '✓ Right'}).count()).toBe(1);
  }, 60_000);
});
