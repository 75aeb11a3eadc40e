/**
 * A plan as text: a table with the best row of each mesh, and the verdict.
 */
import {formatBytes} from '../../lib/base/units';
import type {CountedPlan} from '../../lib/specPlanner/planSpec';
import type {SpecRow} from '../../lib/specPlanner/spec';
import {secondsText} from '../../lib/specPlanner/reasons';

/** The most meshes that the table shows. */
const MOST_MESHES = 12;

const percent = (share: number | null) => (share === null ? '-' : `${(100 * share).toFixed(1)} %`);

function cells({strategy, prediction}: SpecRow): string[] {
  const {mesh, microBatch, microBatches, zero, recompute, stagesPerRank, schedule} = strategy;
  const {memory, fits, stepSeconds, mfu, bubble} = prediction;
  return [
    `${mesh.data} x ${mesh.tensor} x ${mesh.pipeline}`,
    `${microBatches} x ${microBatch}`,
    String(zero),
    recompute,
    stagesPerRank > 1 ? `${schedule} (${stagesPerRank})` : schedule,
    formatBytes(memory.total),
    fits ? 'yes' : 'no',
    stepSeconds === null ? '-' : secondsText(stepSeconds),
    percent(mfu),
    percent(bubble),
  ];
}

const HEADS = [
  'data x tensor x pipeline',
  'micro-batches',
  'zero',
  'recompute',
  'schedule',
  'memory a device',
  'fits',
  'a step',
  'mfu',
  'bubble',
];

/** The table, how many choices were evaluated, and the verdict. */
export function planText({plan: {parameters, flopsPerStep, rows}, evaluated}: CountedPlan): string {
  const meshes = new Map<string, SpecRow>();
  for (const row of rows) {
    const key = Object.values(row.strategy.mesh).join();
    if (!meshes.has(key)) meshes.set(key, row);
  }
  const table = [HEADS, ...[...meshes.values()].slice(0, MOST_MESHES).map(cells)];
  const widths = HEADS.map((_, i) => Math.max(...table.map((line) => line[i].length)));
  const lines = table.map((line) =>
    line
      .map((cell, i) => cell.padEnd(widths[i]))
      .join('  ')
      .trimEnd(),
  );
  const model = `${Number((parameters / 1e9).toPrecision(4))} billion parameters${flopsPerStep === null ? '' : `, ${flopsPerStep.toPrecision(4)} operations a step`}`;
  return [
    model,
    '',
    ...lines,
    '',
    `${evaluated} tried, ${rows.filter(({prediction}) => prediction.fits).length} of ${rows.length} rows fit; shown: the best of each mesh${meshes.size > MOST_MESHES ? `, ${MOST_MESHES} of ${meshes.size}` : ''}.`,
    `Verdict: ${rows[0].reason}`,
    '',
  ].join('\n');
}
