import {defineConfig} from 'vitest/config';

export default defineConfig({
  test: {
    include: ['tests/**/*.test.ts'],
    // One engine a process, and two cores: a file at a time, each in a process of its own.
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    server: {deps: {external: [/\/build\//, /\/node_modules\//]}},
  },
});
