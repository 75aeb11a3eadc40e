/**
 * Draws recurrent layers, their cells, and the wrappers of sequences.
 */
import type {Draw} from './draw';
import type {LayerSpec, Value} from './program';
import {WEIGHTS} from './weightOptions';

const CELLS = ['simpleRNNCell', 'gruCell', 'lstmCell'];

function cellOptions(draw: Draw, kind: string, random: boolean): Record<string, Value> {
  return {
    units: draw.integer(2, 3),
    ...(draw.chance(0.2) ? {activation: draw.pick(['tanh', 'sigmoid', 'elu'])} : {}),
    ...(kind.startsWith('simple') || draw.chance(0.7) ? {} : {recurrentActivation: 'sigmoid'}),
    ...(kind.startsWith('lstm') && draw.chance(0.3) ? {unitForgetBias: false} : {}),
    ...(kind.startsWith('gru') && draw.chance(0.05) ? {resetAfter: true} : {}),
    ...(kind.includes('Cell') || draw.chance(0.8) ? {} : {implementation: draw.pick([1, 2])}),
    ...WEIGHTS.kernel(draw),
    ...WEIGHTS.named(draw, 'recurrent'),
    ...WEIGHTS.bias(draw),
    ...(random && draw.chance(0.15) ? {dropout: draw.number(0.1, 0.5)} : {}),
    ...(random && draw.chance(0.15) ? {recurrentDropout: draw.number(0.1, 0.5)} : {}),
  };
}

const sequenceOptions = (draw: Draw): Record<string, Value> => ({
  ...(draw.chance(0.5) ? {returnSequences: true} : {}),
  ...(draw.chance(0.15) ? {goBackwards: true} : {}),
});

const layerOf =
  (kind: string) =>
  (draw: Draw): Record<string, Value> => ({
    ...cellOptions(draw, kind, true),
    ...sequenceOptions(draw),
    ...(draw.chance(0.06) ? {returnState: true} : {}),
    ...(draw.chance(0.05) ? {stateful: true} : {}),
  });

function cell(draw: Draw): {spec: LayerSpec} {
  const kind = draw.pick(CELLS);
  return {spec: {kind, options: cellOptions(draw, kind, true)}};
}

function recurrent(draw: Draw): {spec: LayerSpec} {
  const kind = draw.pick(['lstm', 'gru', 'simpleRNN']);
  const options = {...cellOptions(draw, kind, true), ...sequenceOptions(draw)};
  return {spec: {kind, options}};
}

/** What TimeDistributed applies to each position of a sequence. */
function perPosition(draw: Draw): {spec: LayerSpec} {
  const choices: LayerSpec[] = [
    {kind: 'dense', options: {units: draw.integer(2, 4), activation: 'tanh'}},
    {kind: 'dense', options: {units: 2, ...WEIGHTS.kernel(draw)}},
    {kind: 'batchNormalization', options: {}},
    {kind: 'layerNormalization', options: {}},
    {kind: 'activation', options: {activation: 'sigmoid'}},
    {kind: 'repeatVector', options: {n: 2}},
    {kind: 'dropout', options: {rate: 0.3}},
  ];
  return {spec: draw.pick(choices)};
}

export const RECURRENT: Record<string, (draw: Draw) => Record<string, Value>> = {
  lstm: layerOf('lstm'),
  gru: layerOf('gru'),
  simpleRNN: layerOf('simpleRNN'),
  rnn: (draw) => ({
    cell: draw.chance(0.4)
      ? ({spec: {kind: 'stackedRNNCells', options: {cells: [cell(draw), cell(draw)]}}} as Value)
      : cell(draw),
    ...sequenceOptions(draw),
  }),
  bidirectional: (draw) => ({
    layer: recurrent(draw),
    mergeMode: draw.pick(['concat', 'sum', 'ave', 'mul']),
  }),
  timeDistributed: (draw) => ({layer: perPosition(draw)}),
};
