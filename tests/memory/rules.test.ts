import {readdirSync, readFileSync} from 'node:fs';
import {dirname, join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {tf} from '#lib/devices/register.js';
import {hasJavaScriptRule} from '#lib/memory/javascriptCalls.js';
import {hasRule} from '#lib/memory/outputShapes.js';

/**
 * The operation names in calls of the backend's execute methods; `tfjs_1.Add` stands for tfjs's
 * constant.
 */
function operationsIn(source: string): string[] {
  const names: string[] = [];
  for (const [, name] of source.matchAll(
    /execute(?:SingleOutput|MultipleOutputs|SingleInput)\(\s*('[^']+'|tfjs(?:_core)?_1\.\w+)/g,
  )) {
    names.push(
      name.startsWith("'")
        ? name.slice(1, -1)
        : (tf as unknown as Record<string, string>)[name.split('.')[1]],
    );
  }
  return names;
}

describe('a rule for every operation', () => {
  const dist = join(dirname(require.resolve('@tensorflow/tfjs-node-gpu/package.json')), 'dist');
  const kernels = readdirSync(join(dist, 'kernels'))
    .filter((name) => name.endsWith('.js'))
    .map((name) => join(dist, 'kernels', name));
  const sources = [...kernels, join(dist, 'nodejs_kernel_backend.js')];
  const names = [
    ...new Set(sources.flatMap((file) => operationsIn(readFileSync(file, 'utf8')))),
  ].sort();

  it('the names are really read from the kernels', () => {
    expect(names.length).toBeGreaterThan(140);
    expect(names).toContain('BatchMatMulV2');
    expect(names).toContain('Add');
  });

  it.each(names)('%s, which tfjs-node issues', (name) => {
    expect(hasRule(name)).toBe(true);
  });

  it('the operations that this library issues itself', () => {
    const lib = join(__dirname, '../../lib');
    const files = readdirSync(lib, {recursive: true, encoding: 'utf8'}).filter((name) =>
      name.endsWith('.ts'),
    );
    const own = files.flatMap((name) =>
      [
        ...readFileSync(join(lib, name), 'utf8').matchAll(
          /execute(?:SingleOutput|MultipleOutputs)\(\s*'(\w+)'/g,
        ),
      ].map(([, op]) => op),
    );
    expect(own).toContain('ReluGrad');
    expect(own.filter((name) => !hasRule(name))).toEqual([]);
  });

  it('the JavaScript engine: only kernels of no use in training are counted after they run', () => {
    const without = tf
      .getKernelsForBackend('cpu')
      .map((config) => config.kernelName)
      .filter((name) => !hasJavaScriptRule(name))
      .sort();
    expect(without).toEqual([
      'Draw',
      'MaxPoolWithArgmax',
      'RaggedGather',
      'RaggedRange',
      'RaggedTensorToTensor',
      'SearchSorted',
      'SparseFillEmptyRows',
      'SparseReshape',
      'SparseSegmentMean',
      'SparseSegmentSum',
      'StringNGrams',
      'StringSplit',
      'StringToHashBucketFast',
      'Transform',
    ]);
  });
});
