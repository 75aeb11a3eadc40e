/**
 * The caller's side, scripts only. Gathers a kernel's messages into the outputs that a notebook
 * stores.
 */
import type {OutputMessage} from './kernel';
import type {Output, RichOutput, StreamOutput} from '../notebookFile';

/** The outputs of a run, by cell. */
export class Outputs {
  private readonly cells = new Map<number, Output[]>();
  private readonly displays = new Map<string, RichOutput[]>();
  private readonly clearing = new Set<number>();

  of(cell: number): Output[] {
    const found = this.cells.get(cell) ?? [];
    this.cells.set(cell, found);
    return found;
  }

  /** Everything that a cell wrote to one stream. */
  text(cell: number, name: 'stdout' | 'stderr'): string {
    return this.of(cell)
      .flatMap((output) =>
        output.output_type === 'stream' && output.name === name
          ? [(output as StreamOutput).text]
          : [],
      )
      .join('');
  }

  forget(cell: number): void {
    this.cells.delete(cell);
  }

  add({cell, message, content}: OutputMessage): void {
    if (message === 'update_display_data') {
      this.update(content);
      return;
    }
    if (cell === null) return;
    if (message === 'clear_output') {
      if (content.wait) this.clearing.add(cell);
      else this.of(cell).length = 0;
      return;
    }
    const outputs = this.of(cell);
    if (this.clearing.delete(cell)) outputs.length = 0;
    if (message === 'stream') {
      const last = outputs[outputs.length - 1] as StreamOutput | undefined;
      if (last?.output_type === 'stream' && last.name === content.name)
        last.text += content.text as string;
      else
        outputs.push({
          output_type: 'stream',
          name: content.name as string,
          text: content.text as string,
        });
      return;
    }
    const {transient, ...stored} = content as {transient?: {display_id?: string}};
    const output: RichOutput = {
      output_type: message as RichOutput['output_type'],
      ...stored,
      ...(message === 'error' ? {} : {metadata: content.metadata ?? {}}),
    };
    outputs.push(output);
    const id = transient?.display_id;
    if (id !== undefined) this.displays.set(id, [...(this.displays.get(id) ?? []), output]);
  }

  /** A live output shows its last state, wherever it stands. */
  private update(content: Record<string, unknown>): void {
    const id = (content.transient as {display_id?: string} | undefined)?.display_id;
    for (const output of this.displays.get(id ?? '') ?? []) {
      output.data = content.data;
      output.metadata = content.metadata ?? {};
    }
  }
}
