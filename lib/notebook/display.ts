/**
 * Displays output in the running cell when a tslab kernel runs this process, otherwise in the
 * terminal.
 */
import {randomBytes} from 'node:crypto';

/** One output in several forms, by MIME type: a front end shows the richest form that it knows. */
export type MimeBundle = Record<string, unknown>;

/** An output that can be replaced in place. */
export interface LiveDisplay {
  /** Shows the bundle and replaces the previous one. */
  show(bundle: MimeBundle): void;
}

interface DisplayData {
  data: MimeBundle;
  metadata: Record<string, unknown>;
  transient: {display_id?: string};
}
type WriteDisplayData = (data: DisplayData, update: boolean) => void;

/**
 * The kernel's function that writes display data, or null outside a kernel. tslab may be installed
 * more than once, so only the copy counts that this process has loaded *and* that has begun a cell;
 * plain Node never loads it. The function is bound to the cell that runs now: a caller that keeps
 * it still writes into that cell after the next cell has begun.
 */
function cellWriter(): WriteDisplayData | null {
  for (const [path, loaded] of Object.entries(require.cache)) {
    if (!/[\\/]tslab[\\/]dist[\\/]jupyter\.js$/.test(path)) continue;
    const write: unknown = (loaded?.exports as {lastWriteDisplayData?: unknown} | undefined)
      ?.lastWriteDisplayData;
    if (typeof write === 'function') return write as WriteDisplayData;
  }
  return null;
}

/** Whether this process is a notebook's kernel. */
export function inKernel(): boolean {
  return cellWriter() !== null;
}

/** JSON has no bytes, so Jupyter's messages carry binary forms in base64. */
function encodeBinary(bundle: MimeBundle): MimeBundle {
  const data: MimeBundle = {};
  for (const [mime, value] of Object.entries(bundle)) {
    data[mime] = value instanceof Uint8Array ? Buffer.from(value).toString('base64') : value;
  }
  return data;
}

/** Shows one output in the running cell; outside a kernel, prints its `text/plain` form. */
export function showBundle(bundle: MimeBundle): void {
  newLiveDisplay().show(bundle);
}

/**
 * Creates an output that can be replaced; outside a kernel, each `show` prints the `text/plain`
 * form.
 */
export function newLiveDisplay(): LiveDisplay {
  const write = cellWriter();
  if (!write) {
    return {
      show(bundle) {
        const text = bundle['text/plain'];
        if (typeof text === 'string' && text !== '') console.log(text);
      },
    };
  }
  const display_id = randomBytes(8).toString('hex');
  let update = false;
  return {
    show(bundle) {
      write({data: encodeBinary(bundle), metadata: {}, transient: {display_id}}, update);
      update = true;
    },
  };
}

/**
 * Shows HTML in the running cell, and `text` where HTML cannot be shown; outside a kernel, prints
 * `text`.
 */
export function showHtml({html, text}: {html: string; text: string}): void {
  showBundle({'text/html': html, 'text/plain': text});
}
