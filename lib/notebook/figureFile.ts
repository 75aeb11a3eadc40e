/**
 * Saves a figure as a self-contained HTML file: plotly.js is inside it, and nothing is downloaded.
 */
import {readFileSync, writeFileSync} from 'node:fs';
import {optionalFile} from '../base/optionalPackage';
import type {Figure} from './figure';
import {detailsHtml, escapeHtml} from './markup';
import {fontFamily, labBackgrounds, paper} from './palette';

/**
 * Writes the figure to `path` as an HTML file of about 10 MB, nearly all of it plotly.js, and
 * returns the path. Throws MISSING_PACKAGE without plotly.js-dist, and any error of the file system.
 */
export function saveFigure(figure: Figure, path: string): string {
  writeFileSync(path, figurePage(figure));
  return path;
}

/** The HTML page of a figure, in the reader's light or dark theme. */
export function figurePage(figure: Figure): string {
  const library = readFileSync(
    optionalFile('plotly.js-dist', 'plotly.js', {who: 'saveFigure() puts into its file'}),
    'utf8',
  );
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(figure.title)}</title>
<style>
:root { color-scheme: light dark; --ground: ${labBackgrounds.light}; --ink: ${paper.ink}; }
@media (prefers-color-scheme: dark) { :root { --ground: ${labBackgrounds.dark}; --ink: ${paper.card}; } }
body { background: var(--ground); color: var(--ink); font: 16px/1.5 ${fontFamily}; max-width: 960px; margin: 24px auto; padding: 0 16px; }
figure { margin: 0; }
#figure { border: 1px solid ${paper.edge}; border-radius: 8px; overflow: hidden; }
table { border-collapse: collapse; margin-top: 8px; }
th, td { padding: 2px 12px 2px 0; }
</style>
</head>
<body>
<main>
<h1>${escapeHtml(figure.title)}</h1>
<figure>
<div id="figure" role="img" aria-label="${escapeHtml(figure.alt)}"></div>
<figcaption><p>${escapeHtml(figure.alt)}</p></figcaption>
</figure>
${detailsHtml('The numbers of this figure', figure.tableHtml)}
</main>
<script>${scriptSafe(library)}</script>
<script>
const figure = ${scriptSafe(JSON.stringify(figure.plotly))};
Plotly.newPlot('figure', figure.data, figure.layout, figure.config);
</script>
</body>
</html>
`;
}

/**
 * Escapes `</script`, which would end the script that contains it; inside a JavaScript string the
 * escape has the same meaning.
 */
function scriptSafe(code: string): string {
  return code.replace(/<\/(script)/gi, '<\\/$1').replace(/<!--/g, '<\\!--');
}
