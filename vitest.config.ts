import { defineConfig } from 'vitest/config';

/** Where tests live. Their suffix, not their folder, says which servers they need. */
const places = ['apps/*/src', 'libs/*/src', 'bench/src', 'examples/handlers/typescript/src', 'tests', 'tools'];
const suffixed = (suffix: string): string[] => places.map((place) => `${place}/**/*.${suffix}`);

/** Reads the libraries' sources, so that a test never runs against a stale build. */
const conditions = ['@drover/source'];

/**
 * The compiler options of tsconfig.base.json that change what runs, said again: a spec is in no tsconfig.lib.json, so
 * the transformer would not find them, and decorators in a spec would be a syntax error.
 */
const oxc = {
  decorator: { legacy: true, emitDecoratorMetadata: true },
  assumptions: { setPublicClassFields: true },
  typescript: { removeClassFieldsWithoutInitializer: true },
};

const shared = {
  oxc,
  resolve: { conditions },
  // Never `import` here: vitest hands these to node, which would then use it for `require` too.
  ssr: { resolve: { conditions: [...conditions, 'node'] } },
};

/**
 * Tests that start real servers. They wait on processes and disks, so their time-outs are bounds against a hang and
 * not expectations; two files at once is what a 2-core machine carries.
 */
const servers = (name: string, timeoutMillis: number, workers: number) => ({
  ...shared,
  test: {
    name,
    include: suffixed(`${name}.spec.ts`),
    environment: 'node',
    pool: 'forks' as const,
    maxWorkers: workers,
    testTimeout: timeoutMillis,
    hookTimeout: Math.max(timeoutMillis, 120_000),
    teardownTimeout: 30_000,
    globalSetup: ['./libs/testing/src/global-setup.ts'],
  },
});

export default defineConfig({
  test: {
    passWithNoTests: true,
    // Only tests that say so (`describe.concurrent`) run beside each other: those of the conformance suite, which mostly wait.
    maxConcurrency: 20,
    projects: [
      {
        ...shared,
        test: {
          name: 'unit',
          include: suffixed('spec.ts'),
          exclude: ['**/node_modules/**', '**/dist/**', '**/*.{int,e2e,fault}.spec.ts'],
          environment: 'node',
          pool: 'threads',
          maxWorkers: 2,
          testTimeout: 20_000,
        },
      },
      servers('int', 60_000, 2),
      servers('e2e', 120_000, 1),
      servers('fault', 180_000, 1),
    ],
  },
});
