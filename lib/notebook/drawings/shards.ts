/**
 * Draws which rank holds which part of parameters, gradients and optimizer's state at each stage of
 * ZeRO.
 */
import {ManyHandsError, shown} from '../../base/errors';
import {Drawing} from '../drawing';
import type {View} from '../view';

const RANKS = 4;
const KINDS = ['parameters', 'gradients', "optimizer's state"] as const;
const NAMES = ['plain data parallelism', 'stage 1', 'stage 2', 'stage 3 (FSDP)'];
const WIDTH = 132;
const ROW = 30;

/**
 * Draws what four ranks hold in plain data parallelism (stage 0) or at a stage of ZeRO. Throws
 * BAD_OPTION for any other stage.
 */
export function shardDrawing(stage: 0 | 1 | 2 | 3): View {
  if (![0, 1, 2, 3].includes(stage))
    throw new ManyHandsError(
      'BAD_OPTION',
      `shardDrawing: stage must be 0, 1, 2 or 3; it is ${shown(stage)}.`,
    );
  const sharded = KINDS.filter((_, i) => stage >= KINDS.length - i);
  const replicated = KINDS.filter((kind) => !sharded.includes(kind));
  const says = [
    replicated.length > 0 ? `every rank holds all ${replicated.join(' and all ')}` : '',
    sharded.length > 0 ? `each rank holds a quarter of the ${sharded.join(', of the ')}` : '',
  ]
    .filter(Boolean)
    .join('; ');
  const drawing = new Drawing(
    560,
    60 + RANKS * ROW + 16,
    `Four ranks in ${NAMES[stage]}: ${says}.`,
  );
  drawing.words(20, 22, NAMES[stage], {anchor: 'start', bold: true, size: 15});
  KINDS.forEach((kind, column) => {
    const left = 84 + column * (WIDTH + 24);
    drawing.words(left + WIDTH / 2, 46, kind, {faint: true, size: 13});
    for (let rank = 0; rank < RANKS; rank++) {
      const y = 58 + rank * ROW;
      if (column === 0)
        drawing.words(left - 8, y + ROW / 2 - 3, `rank ${rank}`, {
          anchor: 'end',
          size: 12,
          faint: true,
        });
      for (let part = 0; part < RANKS; part++) {
        const held = !sharded.includes(kind) || part === rank;
        drawing.box(
          {x: left + (part * WIDTH) / RANKS, y, width: WIDTH / RANKS - 2, height: ROW - 6},
          '',
          held ? {rank: part} : {dashed: true},
        );
      }
    }
  });
  return drawing.view(`${NAMES[stage]}: ${says}.`);
}
