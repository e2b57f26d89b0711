/** The bench of a test file: opened before its tests, closed after them, and nothing secret is printed in between. */
import { afterAll, afterEach, beforeAll } from 'vitest';
import { stackAddress } from '../stack/shared.ts';
import { type Stack, startStack } from '../stack/stack.ts';
import { Bench } from './pipeline.ts';

/** On the services that all test files share. `take` keeps it for the tests. */
export function sharedBench(take: (bench: Bench) => void): void {
  openedBy(async () => {
    const bench = await Bench.open({ brokers: stackAddress('kafka'), url: stackAddress('postgres') });
    take(bench);
    return bench;
  });
}

/** On services of the file's own, which its tests may break. */
export function benchOfItsOwn(
  take: (bench: Bench, stack: Stack) => void,
  options: { readonly kafkaNodes?: 1 | 3 } = {},
): void {
  let stack: Stack | undefined;
  // Stopped last: what is registered first after all tests runs last.
  afterAll(() => stack?.stop());
  openedBy(async () => {
    stack = await startStack({ services: ['kafka', 'postgres'], print: () => {}, ...options });
    const bench = await Bench.open({ brokers: stack.kafka.brokers, url: stack.postgres.url });
    take(bench, stack);
    return bench;
  });
}

function openedBy(open: () => Promise<Bench>): void {
  let bench: Bench | undefined;
  beforeAll(async () => {
    bench = await open();
  });
  afterEach(() => bench!.expectNoSecrets());
  afterAll(() => bench?.[Symbol.asyncDispose]());
}
