import {spawnSync} from 'node:child_process';
import {describe, expect, it} from 'vitest';
import {engineInfo} from '#lib/devices/engine.js';

describe.runIf(engineInfo().name === 'tensorflow')('the fast kernels', () => {
  it("outlive a reset of tfjs's engine, which makes a new backend", () => {
    // A large product with a transposed right operand, before and after.
    const source = `
      const {tf} = require('./build/lib/devices/register.js');
      const product = () =>
        tf.tidy(() => tf.sum(tf.matMul(tf.ones([256, 256]), tf.ones([128, 256]), false, true)).dataSync()[0]);
      const before = product();
      tf.engine().reset();
      tf.setBackend('tensorflow');
      console.log(JSON.stringify([before, product()]));`;
    const {stdout, stderr} = spawnSync(process.execPath, ['-e', source], {encoding: 'utf8'});
    expect({stdout, stderr}).toEqual({stdout: `[${2 ** 23},${2 ** 23}]\n`, stderr: ''});
  });
});
