/** A model that crosses to a worker as its description. */
import {describe, expect, it} from 'vitest';
import * as tf from '@tensorflow/tfjs';
import '#lib/devices/register.js';
import {describeModel} from '#lib/model/describe.js';
import {disposeModel, rebuildModel} from '#lib/model/rebuild.js';

interface Settings {
  mode: string;
  sizes: Record<string, number>;
}

/** A layer that behaves by the text of its configuration. */
class Scaled extends tf.layers.Layer {
  static className = 'Scaled_Layer';
  constructor(private readonly settings: Settings & {name?: string; inputShape?: number[]}) {
    super(settings);
  }
  override call(inputs: tf.Tensor | tf.Tensor[]) {
    const x = Array.isArray(inputs) ? inputs[0] : inputs;
    return tf.mul(x, this.settings.mode === 'pre_norm' ? this.settings.sizes.Big_One : 0);
  }
  override getConfig() {
    const {mode, sizes} = this.settings;
    return {...super.getConfig(), mode, sizes};
  }
}
tf.serialization.registerClass(Scaled);

describe('a description', () => {
  it('keeps the case of every name and value in a configuration', async () => {
    const model = tf.sequential();
    model.add(new Scaled({mode: 'pre_norm', sizes: {Big_One: 3}, name: 's', inputShape: [2]}));
    model.add(tf.layers.dense({units: 1, activation: 'gelu_new'}));
    model.compile({optimizer: 'sgd', loss: 'meanSquaredError'});
    const copy = await rebuildModel(await describeModel(model));
    expect(copy.layers[0].getConfig()).toMatchObject({mode: 'pre_norm', sizes: {Big_One: 3}});
    expect(copy.getConfig()).toEqual(model.getConfig());
    disposeModel(copy);
    disposeModel(model);
  });

  it('refuses a tensor that was given to apply beside the inputs', async () => {
    const x = tf.input({shape: [2]});
    const layer = tf.layers.dense({units: 1, name: 'head'});
    const y = layer.apply(x, {extra: tf.input({shape: [2]})}) as tf.SymbolicTensor;
    const model = tf.model({inputs: x, outputs: y});
    model.compile({optimizer: 'sgd', loss: 'meanSquaredError'});
    await expect(describeModel(model)).rejects.toMatchObject({
      code: 'BAD_MODEL',
      message: expect.stringMatching(/'head' was applied with the argument 'extra'/) as unknown,
    });
    disposeModel(model);
  });
});
