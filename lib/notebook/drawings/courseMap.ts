/**
 * The map of the course: its notebooks in the order in which they are read.
 */
import {Drawing} from '../drawing';
import type {View} from '../view';

export interface Stop {
  /** `00`, `01` and so on. */
  id: string;
  title: string;
  /**
   * In this edition of the course; one that is still to come is drawn dashed and said to be.
   * Default true.
   */
  ready?: boolean;
}

/** Notebooks of one part of the course, one row of the map. */
export interface Part {
  name: string;
  stops: readonly Stop[];
}

const box = {width: 148, height: 62} as const;
const step = {x: 172, y: 126} as const;

/**
 * The map: a row a part, an arrow from notebook to notebook, `here` marked. Titles break at their
 * spaces, at most three lines.
 */
export function courseMapDrawing(parts: readonly Part[], here?: string): View {
  const widest = Math.max(...parts.map(({stops}) => stops.length));
  const words = parts
    .map(
      ({name, stops}) =>
        `${name}: ${stops.map(({id, title, ready}) => `${id} ${title}${id === here ? ' (you are here)' : ''}${ready === false ? ' (to come)' : ''}`).join(', ')}`,
    )
    .join('. ');
  const drawing = new Drawing(
    48 + widest * step.x - 24,
    24 + parts.length * step.y,
    `Map of the course. ${words}.`,
  );
  parts.forEach(({name, stops}, row) => {
    const y = 58 + row * step.y;
    drawing.words(24, y - 34, name, {bold: true, anchor: 'start'});
    stops.forEach(({id, title, ready}, column) => {
      const x = 24 + column * step.x;
      drawing.box({x, y, ...box}, broken(`${id} ${title}`), {
        dashed: ready === false,
        rank: id === here ? 0 : undefined,
        bold: id === here,
      });
      if (column > 0)
        drawing.arrow(
          [x - (step.x - box.width) + 2, y + box.height / 2],
          [x - 3, y + box.height / 2],
        );
      if (id === here)
        drawing.words(x + box.width - 2, y - 12, 'you are here', {anchor: 'end', size: 12});
      else if (ready === false)
        drawing.words(x + box.width - 2, y - 12, 'to come', {anchor: 'end', size: 12, faint: true});
    });
  });
  return drawing.view('The notebooks in the order in which they are read.');
}

/** A title in lines of at most 17 letters. */
function broken(title: string): string {
  const lines: string[] = [];
  for (const word of title.split(' ')) {
    const last = lines[lines.length - 1];
    if (last !== undefined && `${last} ${word}`.length <= 17)
      lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines.join('\n');
}
