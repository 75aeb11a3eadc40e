import {defineConfig} from 'vitest/config';

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    // One engine a process, and two cores: a file at a time, each in a process of its own.
    pool: 'forks',
    fileParallelism: false,
    // The engine of the tests' own process has one thread, as the workers that it is compared with: sums in one order.
    env: {
      TF_NUM_INTRAOP_THREADS: '1',
      TF_NUM_INTEROP_THREADS: '1',
      OMP_NUM_THREADS: '1',
      TF_CPP_MIN_LOG_LEVEL: '2',
    },
    testTimeout: 60_000,
    hookTimeout: 60_000,
    server: {deps: {external: [/\/build\//, /\/node_modules\//]}},
  },
});
