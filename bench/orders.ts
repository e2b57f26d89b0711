/** A topic of orders as the benchmarks read it: JSON of about 250 bytes, four of five paid, keyed by order. */
import { Kafka, logLevel } from 'kafkajs';

const BATCH = 4000;
const countries = ['ES', 'DE', 'FR', 'IT', 'PT', 'NL', 'PL', 'SE'];
const cities = ['Madrid', 'Berlin', 'Paris', 'Roma', 'Lisboa', 'Utrecht', 'Warszawa', 'Stockholm'];

export function order(id: number): { key: string; value: string } {
  const place = id % countries.length;
  const value = JSON.stringify({
    order_id: id,
    customer_id: `customer-${id % 50_000}`,
    status: id % 5 === 0 ? 'open' : 'paid',
    sku: `SKU-${String(id % 5000).padStart(6, '0')}`,
    qty: (id % 7) + 1,
    price_cents: 499 + ((id * 37) % 20_000),
    currency: 'eur',
    placed_at: new Date(1_767_225_600_000 + id * 250).toISOString(),
    address: { country: countries[place], city: cities[place] },
    gift: id % 11 === 0,
  });
  return { key: String(id), value };
}

export function kafkaAt(brokers: string): Kafka {
  return new Kafka({ clientId: 'bench', brokers: brokers.split(','), logLevel: logLevel.NOTHING });
}

/** Creates `topic` and fills it with `count` orders. Returns the mean size of a value in bytes. */
export async function produceOrders(
  brokers: string,
  topic: string,
  partitions: number,
  count: number,
): Promise<number> {
  const kafka = kafkaAt(brokers);
  await createTopic(kafka, topic, partitions);
  const producer = kafka.producer();
  await producer.connect();
  let bytes = 0;
  for (let from = 0; from < count; from += BATCH) {
    const messages = Array.from({ length: Math.min(BATCH, count - from) }, (_, i) => order(from + i));
    for (const { value } of messages) bytes += value.length;
    await producer.send({ topic, messages });
  }
  await producer.disconnect();
  return bytes / count;
}

export async function createTopic(kafka: Kafka, topic: string, partitions: number): Promise<void> {
  const admin = kafka.admin();
  await admin.connect();
  await admin.createTopics({ topics: [{ topic, numPartitions: partitions }], waitForLeaders: true });
  await admin.disconnect();
}

/** The pipeline of the benchmarks, writing to `sink`: a filter that passes 80 %, a map of 8 columns. */
export const ordersPipeline = (name: string, topic: string, sink: string): string => `
name: ${name}
source:
  kafka: { topic: ${topic} }
steps:
  - filter: event.status == "paid"
  - map:
      order_id: event.order_id
      customer_id: event.customer_id
      sku: event.sku
      total_cents: event.qty * event.price_cents
      currency: upper(event.currency)
      country: event.address.country
      placed_at: timestamp(event.placed_at)
      gift: event.gift
sinks:
  - ${sink}
`;
