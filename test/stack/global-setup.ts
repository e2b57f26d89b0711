import { isListening } from './loopback.ts';
import { addressesIn, serviceNames, startStack } from './stack.ts';
import type { TestProject } from 'vitest/node';

declare module 'vitest' {
  interface ProvidedContext {
    stackAddresses: Readonly<Record<string, string>>;
  }
}

/** One stack for all integration tests of a run: what `npm run stack` keeps up is used, the rest is started. */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const given = addressesIn(process.env);
  for (const [name, address] of Object.entries(given)) await mustListen(name, address);
  const stack = await startStack({ services: serviceNames.filter((name) => given[name] === undefined) });
  project.provide('stackAddresses', { ...given, ...stack.addresses });
  return () => stack.stop();
}

async function mustListen(name: string, address: string): Promise<void> {
  const port = Number(/:(\d+)(?:[,/]|$)/.exec(address)?.[1]);
  if (await isListening(port)) return;
  const variable = `PIPECTL_STACK_${name.toUpperCase()}`;
  throw new Error(`${variable} names port ${port}, where nothing listens: start \`npm run stack\` again or unset it`);
}
