/**
 * The two ways to share the work: copy the model and split the data, or split the
 * model.
 */
import {Drawing} from '../drawing';
import type {View} from '../view';

const layers = ['layer 1', 'layer 2', 'layer 3'];

/** Data parallelism: each of three workers has the whole model and a third of the data. */
export function dataParallelDrawing(): View {
  const drawing = new Drawing(
    660,
    300,
    'Data parallelism. The data is split into three parts. Three workers each hold a copy of the whole model, with its three layers, and take one part. ' +
      'Their gradients are averaged over all workers, so that the copies stay the same.',
  );
  drawing.words(24, 26, 'Data parallelism: copy the model, split the data', {
    bold: true,
    size: 16,
    anchor: 'start',
  });
  drawing.words(64, 62, 'data', {faint: true});
  for (let rank = 0; rank < 3; rank++) {
    const x = 160 + rank * 166;
    drawing.box({x: 24, y: 78 + rank * 54, width: 80, height: 46}, `part ${rank}`, {rank});
    drawing.words(x + 60, 62, `worker ${rank}`, {bold: true});
    drawing.box({x, y: 78, width: 120, height: 160}, '', {rank});
    layers.forEach((layer, at) =>
      drawing.box({x: x + 14, y: 90 + at * 49, width: 92, height: 38}, layer),
    );
    drawing.words(x + 60, 278, `reads part ${rank}`, {faint: true, size: 13});
    if (rank > 0) drawing.arrow([x - 42, 158], [x - 4, 158], {both: true});
  }
  drawing.words(386, 254, 'average the gradients', {size: 13});
  return drawing.view(
    'Data parallelism: every worker has the whole model, each has its own part of the data.',
  );
}

/**
 * Model parallelism, split by layers: each of three workers has one layer, and all data passes
 * through all of them.
 */
export function modelParallelDrawing(): View {
  const drawing = new Drawing(
    660,
    230,
    'Model parallelism, split by layers. The model is split: worker 0 holds layer 1, worker 1 holds layer 2, worker 2 holds layer 3. ' +
      'All the data goes into worker 0, and what each worker computes goes on to the next.',
  );
  drawing.words(24, 26, 'Model parallelism: split the model, pass all data through', {
    bold: true,
    size: 16,
    anchor: 'start',
  });
  drawing.words(64, 62, 'data', {faint: true});
  drawing.box({x: 24, y: 78, width: 80, height: 100}, 'all\nsamples');
  layers.forEach((layer, rank) => {
    const x = 180 + rank * 160;
    drawing.arrow([x - (rank === 0 ? 72 : 36), 128], [x - 4, 128]);
    drawing.words(x + 60, 62, `worker ${rank}`, {bold: true});
    drawing.box({x, y: 78, width: 120, height: 100}, '', {rank});
    drawing.box({x: x + 14, y: 109, width: 92, height: 38}, layer);
  });
  drawing.words(400, 204, 'each hands on what it computed; all samples visit every worker', {
    faint: true,
    size: 13,
  });
  return drawing.view(
    'Model parallelism: every worker has its own part of the model, all data passes through all of them.',
  );
}
