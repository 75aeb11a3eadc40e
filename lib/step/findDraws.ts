/**
 * Finds out before a training what users' layers draw: it runs each on a few samples in the
 * caller's process.
 */
import * as tf from '@tensorflow/tfjs';
import {ManyHandsError} from '../base/errors';
import type {CallDraws} from '../model/description';
import {slotShape, type Graph, type LayerCall} from '../model/graph';
import {saveState} from '../model/layerState';
import {isKnownClass} from '../model/tfjsClasses';
import {cellFields, disposeCellMasks, dropoutFields, layersInside} from '../model/tfjsLayers';
import {watchDraws, type Watched} from '../model/watchDraws';

/** Why a layer would not draw what it draws in `fit`. */
interface DrawObstacle {
  /**
   * Where it would not: 'divided', if several ranks or micro-batches share a batch; 'repeated', if
   * moreover several ranks run the layer, or the backward pass runs it again.
   */
  where: 'divided' | 'repeated';
  /** What is wrong and what to do, as the end of a sentence that begins with the layer. */
  because: string;
}

/** What was found out about the calls of users' layers. */
export interface FoundDraws {
  draws: CallDraws[];
  obstacles: Array<DrawObstacle & {call: LayerCall}>;
}

const DIVIDED =
  'so that its numbers would depend on how a batch is divided. Draw one tensor whose first dim is the number of samples, such as tf.randomNormal(x.shape), or one that all samples share';
const OWN_GENERATOR =
  'so it has a generator or a state of its own, which ranks, micro-batches and recomputation would move apart. Draw with tf.randomNormal, tf.randomUniform, tf.dropout or Math.random, whose numbers many-hands makes equal everywhere';

/** Positions of a sequence whose length is open. */
const OPEN_LENGTH = 3;

/** Inputs of a call with `samples` samples, neither zeros nor all alike. */
function inputsOf(shapes: Array<Array<number | null>>, samples: number): tf.Tensor[] {
  return shapes.map((shape) => {
    const full = [samples, ...shape.slice(1).map((length) => length ?? OPEN_LENGTH)];
    const size = full.reduce((product, length) => product * length, 1);
    return tf.reshape(tf.cos(tf.range(0, size)), full);
  });
}

interface Trial extends Watched {
  output: Float32Array;
}

/** Runs a layer on `samples` samples; null if it does not run on such inputs. */
function tryLayer(
  {layer}: LayerCall,
  shapes: Array<Array<number | null>>,
  samples: number,
  training: boolean,
): Trial | null {
  const state = saveState(layer);
  let output = new Float32Array();
  try {
    disposeCellMasks(layer);
    const watched = watchDraws(() =>
      tf.tidy(() => {
        const inputs = inputsOf(shapes, samples);
        const result = layer.apply(inputs.length === 1 ? inputs[0] : inputs, {training});
        const [first] = [result as tf.Tensor | tf.Tensor[]].flat();
        output = Float32Array.from(first.dataSync());
      }),
    );
    return {...watched, output};
  } catch {
    // If it fails on the user's data too, the training says so.
    return null;
  } finally {
    disposeCellMasks(layer);
    state.restore();
  }
}

const TOLERANCE = 1e-5;
const differ = (a: Float32Array, b: Float32Array) =>
  a.length !== b.length ||
  a.some((value, i) => Math.abs(value - b[i]) > TOLERANCE * Math.max(1, Math.abs(value)));

/** The rows that each sample has in a draw of `a` samples and of `b`; null if they do not fit. */
function rowsPerSample(a: number[], b: number[], samples: readonly [number, number]) {
  if (String(a) === String(b)) return 0;
  if (String(a.slice(1)) !== String(b.slice(1))) return null;
  const rows = a[0] / samples[0];
  return Number.isInteger(rows) && b[0] === rows * samples[1] ? rows : null;
}

const FEW = 2;
const MORE = 3;

/** What a call draws: the rows of each draw, or what is wrong. */
function findRows(
  call: LayerCall,
  shapes: Array<Array<number | null>>,
  training: boolean,
): number[] | DrawObstacle {
  const few = tryLayer(call, shapes, FEW, training);
  const more = tryLayer(call, shapes, MORE, training);
  const again = tryLayer(call, shapes, FEW, training);
  if (!few || !more || !again) return [];
  const isNew = few.uniforms > 0 || few.draws.some(({fixed}) => fixed === null);
  const moves = few.draws.some(
    ({fixed}, i) => fixed && again.draws[i]?.fixed && differ(fixed, again.draws[i].fixed),
  );
  if (moves || (!isNew && differ(few.output, again.output)))
    return {
      where: 'repeated',
      because: `returns something else each time it gets the same input, without a draw of tfjs's, ${OWN_GENERATOR}`,
    };
  const operations = ({draws}: Trial) => draws.map(({operation}) => operation).join();
  if (few.uniforms !== more.uniforms || operations(few) !== operations(more))
    return {
      where: 'divided',
      because: `draws ${few.draws.length + few.uniforms} times for ${FEW} samples and ${more.draws.length + more.uniforms} times for ${MORE}, ${DIVIDED}`,
    };
  const rows: number[] = [];
  for (const [i, {operation, shape, fixed}] of few.draws.entries()) {
    const found = rowsPerSample(shape, more.draws[i].shape, [FEW, MORE]);
    if (found === null)
      return {
        where: 'divided',
        because: `draws numbers of the shape [${shape}] for ${FEW} samples and [${more.draws[i].shape}] for ${MORE}, ${DIVIDED}`,
      };
    if (operation === 'rand' && fixed?.some((value) => value !== fixed[0]))
      return {
        where: 'divided',
        because: `fills a tensor by tf.rand with a generator of its own, ${DIVIDED}`,
      };
    rows.push(found);
  }
  return rows;
}

/** Throws BAD_MODEL for what tfjs leaves out when it describes a layer for a worker. */
function checkDescription(layer: tf.layers.Layer): void {
  for (const part of [layer, ...layersInside(layer)]) {
    if (part.getClassName() === 'AlphaDropout' && dropoutFields(part).noiseShape)
      throw new ManyHandsError(
        'BAD_MODEL',
        `layer '${layer.name}' is an alphaDropout with a noiseShape, which tfjs leaves out when it describes the layer, so that a worker would draw other noise: leave noiseShape out.`,
      );
    if (cellFields(part).dropoutFunc)
      throw new ManyHandsError(
        'BAD_MODEL',
        `layer '${layer.name}' has a dropoutFunc, a function that cannot cross to a worker process: use dropout and recurrentDropout alone.`,
      );
  }
}

/** Whether the shapes alone tell what a layer's draws are for. */
const isPlain = (layer: tf.layers.Layer) =>
  [layer, ...layersInside(layer)].every(
    (part) => isKnownClass(part) && !(part.getClassName() === 'Dropout' && noiseOf(part)),
  );

const noiseOf = (layer: tf.layers.Layer) => dropoutFields(layer).noiseShape ?? null;

/** What a Dropout with a noiseShape draws, or a layer that must be tried. */
function rowsOf(
  call: LayerCall,
  shapes: Array<Array<number | null>>,
  training: boolean,
): number[] | DrawObstacle {
  const {layer} = call;
  const noiseShape = isKnownClass(layer) && layer.getClassName() === 'Dropout' && noiseOf(layer);
  if (!noiseShape) return findRows(call, shapes, training);
  // A first dim of 1 stands for all samples, null or another number for the samples themselves.
  return training ? [noiseShape[0] === 1 ? 0 : 1] : [];
}

/**
 * What the calls of users' layers draw. Throws BAD_MODEL for a random layer that a worker would
 * rebuild without a part of it.
 */
export function findDraws(graph: Graph): FoundDraws {
  const found: FoundDraws = {draws: [], obstacles: []};
  for (const call of graph.calls) {
    const {layer, index} = call;
    checkDescription(layer);
    if (isPlain(layer)) continue;
    const shapes = call.inputs.map((slot) => slotShape(graph, slot));
    const results = [true, false].map((training) => rowsOf(call, shapes, training));
    const obstacle = results.find((result) => !Array.isArray(result));
    if (obstacle && !Array.isArray(obstacle)) found.obstacles.push({...obstacle, call});
    const [training, evaluation] = results.map((result) => (Array.isArray(result) ? result : []));
    if (training.length + evaluation.length > 0)
      found.draws.push({call: index, training, evaluation});
  }
  return found;
}
