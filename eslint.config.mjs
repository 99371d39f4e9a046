import js from '@eslint/js';
import tseslint from 'typescript-eslint';
import nx from '@nx/eslint-plugin';

const nodeGlobals = Object.fromEntries(
  [
    'process',
    'console',
    'Buffer',
    'setTimeout',
    'clearTimeout',
    'setInterval',
    'clearInterval',
    'setImmediate',
    'URL',
    'URLSearchParams',
    'fetch',
    'performance',
    'AbortController',
    'AbortSignal',
    'TextDecoder',
    'TextEncoder',
    'structuredClone',
    'queueMicrotask',
  ].map((name) => [name, 'readonly']),
);

/** Which libs a scope may import: the arrows of docs/architecture, kept true by lint. */
const scopes = {
  kernel: [],
  contracts: ['kernel'],
  'process-model': ['kernel', 'contracts'],
  simulator: ['kernel', 'contracts', 'process-model'],
  messaging: ['kernel', 'contracts'],
  registry: ['kernel', 'contracts', 'messaging', 'process-model'],
  config: ['kernel'],
  database: ['kernel', 'config'],
  telemetry: ['kernel', 'config'],
  'handler-sdk': ['kernel'],
  testing: ['kernel', 'contracts', 'messaging', 'config', 'process-model'],
  'resource-store': ['kernel', 'contracts', 'process-model', 'messaging', 'database', 'config', 'telemetry', 'testing'],
  'process-engine': [
    'kernel',
    'contracts',
    'process-model',
    'messaging',
    'registry',
    'config',
    'telemetry',
    'handler-sdk',
    'testing',
  ],
  gateway: ['kernel', 'contracts', 'process-model', 'messaging', 'registry', 'config', 'telemetry', 'testing'],
};

export default tseslint.config(
  { ignores: ['**/dist', '**/node_modules', '.nx', '.drover', '.cache', '**/public'] },
  js.configs.recommended,
  ...tseslint.configs.recommended,
  { files: ['**/*.mjs', '**/*.js'], languageOptions: { globals: nodeGlobals } },
  {
    rules: {
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/consistent-type-imports': 'off',
    },
  },
  {
    files: ['apps/**/*.ts', 'libs/**/*.ts'],
    plugins: { '@nx': nx },
    rules: {
      '@nx/enforce-module-boundaries': [
        'error',
        {
          enforceBuildableLibDependency: true,
          allow: [],
          depConstraints: [
            { sourceTag: 'type:app', onlyDependOnLibsWithTags: ['type:lib'] },
            { sourceTag: 'type:lib', onlyDependOnLibsWithTags: ['type:lib'] },
            ...Object.entries(scopes).map(([scope, allowed]) => ({
              sourceTag: `scope:${scope}`,
              onlyDependOnLibsWithTags: [scope, ...allowed].map((name) => `scope:${name}`),
            })),
          ],
        },
      ],
    },
  },
  {
    files: ['apps/**/*.ts', 'libs/**/*.ts'],
    ignores: ['**/*.spec.ts', '**/testing/**', 'libs/testing/**', 'libs/simulator/**'],
    rules: {
      'no-restricted-syntax': [
        'error',
        {
          selector:
            "AssignmentExpression[left.type='MemberExpression'] > :matches(ArrowFunctionExpression, FunctionExpression).right",
          message:
            'V8 makes a function that is assigned to a property in the old generation, with all it closes over: give it a name first (ADR 059).',
        },
      ],
    },
  },
  {
    files: ['libs/process-model/**/*.ts', 'libs/kernel/**/*.ts', 'libs/simulator/**/*.ts'],
    ignores: ['**/*.spec.ts'],
    rules: {
      'no-restricted-imports': ['error', { patterns: ['@nestjs/*', 'nats', '@nats-io/*', 'typeorm', 'pg'] }],
    },
  },
);
