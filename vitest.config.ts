import { defineConfig } from 'vitest/config';

const integrationTests = ['test/integration/**/*.test.{ts,tsx}', 'test/**/*.integration.test.{ts,tsx}'];
const simulations = ['test/simulation/**/*.test.ts'];
const faults = ['test/faults/**/*.test.ts'];

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/**/*.test.{ts,tsx}'],
          exclude: [...integrationTests, ...simulations, ...faults],
        },
      },
      {
        test: { name: 'simulation', include: simulations, exclude: integrationTests, testTimeout: 60_000 },
      },
      {
        test: {
          // What needs real services: everything in test/integration, and any file named *.integration.test.ts.
          name: 'integration',
          include: integrationTests,
          globalSetup: 'test/stack/global-setup.ts',
          testTimeout: 60_000,
          hookTimeout: 60_000,
          // The services want the machine's processors too; and after the others, so that no timing is disturbed.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          // Clusters of their own that are killed and frozen: longer than every run can wait for, and one at a time.
          name: 'faults',
          include: faults,
          testTimeout: 120_000,
          hookTimeout: 60_000,
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
