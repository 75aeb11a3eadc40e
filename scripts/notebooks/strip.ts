/**
 * The caller's side, scripts only. A notebook as it is to be stored: no outputs, no counts, nothing
 * that JupyterLab left behind.
 */
import type {Cell, Notebook} from '../notebookFile';
import {kernelName, leftovers} from './rules';

/** A copy without what running it left; text, ids and our own metadata stay as they are. */
export function stripped(notebook: Notebook, stem: string): Notebook {
  const {
    signature: _signature,
    widgets: _widgets,
    ...metadata
  } = notebook.metadata as Notebook['metadata'] & {signature?: unknown; widgets?: unknown};
  const taken = new Set(notebook.cells.map(({id}) => id));
  const freshId = (index: number): string => {
    for (let n = index + 1; ; n += 1) {
      const id = `cell-${n}`;
      if (!taken.has(id)) {
        taken.add(id);
        return id;
      }
    }
  };
  const cells = notebook.cells.map((cell, index): Cell => {
    const kept = Object.fromEntries(
      Object.entries(cell.metadata ?? {}).filter(([key]) => !leftovers.includes(key)),
    );
    const clean: Cell = {...cell, id: cell.id ?? freshId(index), metadata: kept};
    if (cell.cell_type === 'code') Object.assign(clean, {execution_count: null, outputs: []});
    return clean;
  });
  return {
    ...notebook,
    cells,
    metadata: {
      ...metadata,
      kernelspec: {
        display_name: 'TypeScript (Many Hands)',
        language: 'typescript',
        name: kernelName,
      },
      language_info: {name: 'typescript', file_extension: '.ts', mimetype: 'text/typescript'},
      many_hands: {...metadata.many_hands, notebook: stem},
    },
    nbformat: 4,
    nbformat_minor: 5,
  };
}
