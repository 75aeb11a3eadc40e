import {defineConfig} from 'vitest/config';

/** Tests that load no engine. Several files share a process. */
const UNIT = [
  'tests/base/{cgroup,errors,random,units}.test.ts',
  'tests/collectives/{alphaBeta,collectives,costs}.test.ts',
  'tests/data/*.test.ts',
  'tests/grading/*.test.ts',
  'tests/memory/{processMemory,regions}.test.ts',
  'tests/mesh/*.test.ts',
  'tests/notebook/{figures,format,markdown,palette,scale,table}.test.ts',
  'tests/notebooks/{rules,traps}.test.ts',
  'tests/pipelineParallel/schedules.test.ts',
  'tests/planner/planCommand.test.ts',
  'tests/specPlanner/*.test.ts',
  'tests/quiz/*.test.ts',
  'tests/setup/{node,problems}.test.ts',
  'tests/structure/house.test.ts',
];

/** Tests of whole programs: packages, set-up, kernels, a browser. A process each. */
const SYSTEM = [
  'tests/devices/tfjsSuite.test.ts',
  'tests/e2e/*.test.ts',
  'tests/notebook/kernel.test.ts',
  'tests/notebooks/{command,run}.test.ts',
  'tests/package/*.test.ts',
  'tests/setup/{bootstrap,doctor,lock,pieces,start}.test.ts',
  'tests/structure/{api,docs}.test.ts',
  'tests/run/{kernel,soak,together,transport}.test.ts',
  'tests/faults/*.test.ts',
];

/**
 * Tests that take another engine, measure the memory of their own process, or run programs on which
 * fit itself fails and leaves tensors behind. A process each.
 */
const ENGINE_ALONE = ['tests/memory/{javascript,meter}.test.ts', 'tests/fuzz/fuzz.test.ts'];

/** Runs before each file of every project. */
const EVERY = 'tests/helpers/everySetup.ts';

export default defineConfig({
  test: {
    // The engine of the tests' own process has one thread, as the workers that it is compared with:
    // sums in one order.
    env: {
      TF_NUM_INTRAOP_THREADS: '1',
      TF_NUM_INTEROP_THREADS: '1',
      OMP_NUM_THREADS: '1',
      TF_CPP_MIN_LOG_LEVEL: '2',
    },
    testTimeout: 60_000,
    hookTimeout: 60_000,
    server: {deps: {external: [/\/build\//, /\/node_modules\//]}},
    globalSetup: 'tests/helpers/leftovers.ts',
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: UNIT,
          setupFiles: [EVERY, 'tests/helpers/unitSetup.ts'],
          // Some tests change the working directory, which a thread may not.
          pool: 'forks',
          isolate: false,
          maxWorkers: 2,
          sequence: {groupOrder: 0},
        },
      },
      {
        extends: true,
        test: {
          name: 'engine',
          include: ['tests/**/*.test.ts'],
          exclude: [...UNIT, ...SYSTEM, ...ENGINE_ALONE],
          setupFiles: [EVERY, 'tests/helpers/engineSetup.ts'],
          // One process keeps one engine and one pool of warm workers for all files.
          pool: 'forks',
          isolate: false,
          maxWorkers: 1,
          sequence: {groupOrder: 1},
        },
      },
      {
        extends: true,
        test: {
          name: 'engine-alone',
          include: ENGINE_ALONE,
          setupFiles: EVERY,
          pool: 'forks',
          maxWorkers: 1,
          sequence: {groupOrder: 2},
        },
      },
      {
        extends: true,
        test: {
          name: 'system',
          include: SYSTEM,
          setupFiles: EVERY,
          pool: 'forks',
          maxWorkers: 1,
          sequence: {groupOrder: 3},
        },
      },
    ],
  },
});
