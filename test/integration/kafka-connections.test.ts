/** One connection that is left would keep the process from ending. */
import { onTestFinished, test } from 'vitest';
import { openKafkaAdmin } from '../../src/connections/kafka/admin.ts';
import { silent, unique } from '../contract/kafka-source.ts';
import { kafkaProxy, type Proxy } from '../faults/proxy.ts';
import { stackAddress } from '../stack/shared.ts';
import { eventually } from './pipeline.ts';

async function through(): Promise<Proxy & { readonly brokers: string }> {
  const proxy = await kafkaProxy(stackAddress('kafka'));
  onTestFinished(() => proxy[Symbol.asyncDispose]());
  return proxy;
}

const nothingLeft = (proxy: Proxy): Promise<true> =>
  eventually('no connection is left', () => proxy.connections === 0 || undefined, { withinMs: 5000 });

test('an admin that is closed while it connects again leaves no connection', async () => {
  const proxy = await through();
  const admin = await openKafkaAdmin({ brokers: proxy.brokers }, silent);
  proxy.cut();
  proxy.mend();
  const asked = [admin.topics(), admin.groupDescription(unique('group'))].map((one) => one.catch(() => null));
  await admin.close();
  await Promise.all(asked);
  await nothingLeft(proxy);
});
