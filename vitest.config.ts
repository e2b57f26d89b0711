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
          // Many start processes, and the machine may be busy: what is claimed of time is measured in processor time.
          testTimeout: 60_000,
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
          // The long set of real faults, `npm run test:faults`: one after the other, since recoveries are measured.
          name: 'faults',
          include: faults,
          globalSetup: 'test/stack/global-setup.ts',
          testTimeout: 120_000,
          hookTimeout: 120_000,
          fileParallelism: false,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
