/** Small notebooks for tests, written to folders of their own. */
import * as fs from 'node:fs';
import * as os from 'node:os';
import * as path from 'node:path';
import type {Cell, Notebook} from '#scripts/notebookFile.js';

export const opening = [
  '# 03 Two workers',
  '',
  'After this notebook you will be able to',
  '',
  '- **start** two workers,',
  '- **stop** them,',
  '- **count** them.',
  '',
  'What you need: notebook 01.',
  '',
  'Time: 10 minutes to read, 1 minute to run.',
  '',
  'New words: *worker*, *rank*.',
  '',
].join('\n');

/**
 * A notebook of an opening and these code cells, as it should be stored; `md:` begins a Markdown
 * cell.
 */
export function notebookOf(cells: readonly string[], stem = '03-two-workers'): Notebook {
  const all = [`md:${opening}`, ...cells].map(
    (text, index): Cell =>
      text.startsWith('md:')
        ? {cell_type: 'markdown', id: `c${index}`, metadata: {}, source: text.slice(3)}
        : {
            cell_type: 'code',
            id: `c${index}`,
            metadata: {},
            source: text,
            outputs: [],
            execution_count: null,
          },
  );
  return {
    nbformat: 4,
    nbformat_minor: 5,
    metadata: {
      kernelspec: {
        name: 'many-hands',
        display_name: 'TypeScript (Many Hands)',
        language: 'typescript',
      },
      many_hands: {notebook: stem},
    },
    cells: all,
  };
}

/** Folders that end with the test file. */
export class Folders {
  private readonly made: string[] = [];

  fresh(): string {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'many-hands-test-'));
    this.made.push(folder);
    return folder;
  }

  write(cells: readonly string[], stem = '03-two-workers', folder = this.fresh()): string {
    const file = path.join(folder, `${stem}.ipynb`);
    fs.writeFileSync(file, JSON.stringify(notebookOf(cells, stem)));
    return file;
  }

  remove(): void {
    for (const folder of this.made) fs.rmSync(folder, {recursive: true, force: true});
  }
}
