/**
 * Watches which random numbers a layer draws while it runs outside of a training.
 */
import * as tf from '@tensorflow/tfjs';
import {engineInternals} from './tfjsInternals';

/** The operations of tfjs-core that draw; its others (dropout, ...) are made of them. */
const DRAWING = [
  'randomUniform',
  'randomNormal',
  'truncatedNormal',
  'randomGamma',
  'rand',
  'multinomial',
];

/** One draw of a layer. */
interface WatchedDraw {
  operation: string;
  shape: number[];
  /** Its numbers if they come from a seed or from a generator of the user's; null if they are new. */
  fixed: Float32Array | null;
}

/** What a layer drew in one call. */
export interface Watched {
  draws: WatchedDraw[];
  /** How often the layer itself called `Math.random`. */
  uniforms: number;
}

/** Runs `run` and returns what it drew. tfjs's operations name their scopes, which tells them. */
export function watchDraws(run: () => void): Watched {
  const engine = engineInternals();
  const {random} = Math;
  const {startScope, endScope} = engine;
  const watched: Watched = {draws: [], uniforms: 0};
  const open: Array<string | undefined> = [];
  let calls = 0;
  Math.random = () => {
    calls++;
    return random();
  };
  engine.startScope = (name) => {
    const operation = DRAWING.find((drawing) => name === `${drawing}__op`);
    if (operation) {
      watched.uniforms += calls;
      calls = 0;
    }
    open.push(operation);
    startScope.call(engine, name);
  };
  engine.endScope = (result) => {
    const operation = open.pop();
    if (operation) {
      if (result instanceof tf.Tensor)
        watched.draws.push({
          operation,
          shape: result.shape,
          // TensorFlow's generator for multinomial goes on from call to call, with a seed too.
          fixed:
            calls > 0 || operation === 'multinomial' ? null : Float32Array.from(result.dataSync()),
        });
      calls = 0;
    }
    endScope.call(engine, result);
  };
  try {
    run();
    watched.uniforms += calls;
    return watched;
  } finally {
    Object.assign(engine, {startScope, endScope});
    Math.random = random;
  }
}
