/**
 * Who holds what at each stage of ZeRO: a row a rank, and for weights, gradients and
 * the optimizer's state the part that it has.
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
 * What four ranks hold in plain data parallelism (stage 0) and at the stages of ZeRO. Throws
 * BAD_OPTION for another stage.
 */
export function shardDrawing(stage: 0 | 1 | 2 | 3): View {
  if (![0, 1, 2, 3].includes(stage))
    throw new ManyHandsError(
      'BAD_OPTION',
      `shardDrawing: stage must be 0, 1, 2 or 3; it is ${shown(stage)}.`,
    );
  const divided = KINDS.filter((_, i) => stage >= KINDS.length - i);
  const whole = KINDS.filter((kind) => !divided.includes(kind));
  const says = [
    whole.length > 0 ? `every rank holds all ${whole.join(' and all ')}` : '',
    divided.length > 0 ? `each a quarter of the ${divided.join(', of the ')}` : '',
  ]
    .filter(Boolean)
    .join('; ');
  const drawing = new Drawing(
    560,
    60 + RANKS * ROW + 16,
    `Four ranks in ${NAMES[stage]}: ${says}.`,
  );
  drawing.words(20, 22, NAMES[stage], {anchor: 'start', bold: true, size: 15});
  KINDS.forEach((kind, k) => {
    const left = 84 + k * (WIDTH + 24);
    drawing.words(left + WIDTH / 2, 46, kind, {faint: true, size: 13});
    for (let rank = 0; rank < RANKS; rank++) {
      const y = 58 + rank * ROW;
      if (k === 0)
        drawing.words(left - 8, y + ROW / 2 - 3, `rank ${rank}`, {
          anchor: 'end',
          size: 12,
          faint: true,
        });
      for (let part = 0; part < RANKS; part++) {
        const held = !divided.includes(kind) || part === rank;
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
