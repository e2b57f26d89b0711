/** `pipectl doctor` on three brokers, of which one and then two are killed: what it says, and that pipelines go on. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Finding } from '../../src/operations/doctor/finding.ts';
import { Bench, eventually } from '../integration/pipeline.ts';
import { stackAddress, uniqueName } from '../stack/shared.ts';
import { startStack, type Stack } from '../stack/stack.ts';

let stack: Stack<'kafka'>;
let bench: Bench;
beforeAll(async () => {
  stack = await startStack({ services: ['kafka'], kafkaNodes: 3, print: () => {} });
  bench = await Bench.open({ brokers: stack.kafka.brokers, url: stackAddress('postgres') });
}, 120_000);
afterAll(async () => {
  await bench?.[Symbol.asyncDispose]();
  await stack?.stop();
});

/** Kills a broker until the end of the test. */
async function killed(nodeId: number): Promise<AsyncDisposable> {
  const node = stack.kafka.nodes[nodeId - 1]!;
  await node.kill();
  return { [Symbol.asyncDispose]: () => node.restart() };
}

/** Of `--timeout`, and the sample. */
const secondsMax = 15 + 1;

/** A topic with a copy on each of these brokers, for every partition. */
async function topicOn(...copies: readonly (readonly number[])[]): Promise<string> {
  const topic = uniqueName('copies');
  await bench.kafka.createTopics({
    topics: [
      { topic, replicaAssignment: copies.map((replicas, partition) => ({ partition, replicas: [...replicas] })) },
    ],
    waitForLeaders: false,
  });
  await eventually(`${topic} is there`, async () => (await bench.kafka.listTopics()).includes(topic));
  return topic;
}

async function pipelineOn(topic: string): Promise<string> {
  return (await bench.pipeline({ source: { kafka: { topic } }, sinks: [{ discard: {} }] })).path;
}

async function doctor(file: string) {
  const began = performance.now();
  const { code, stdout, stderr } = await bench.run(['doctor', file, '--json', '--sample', '200ms']);
  const seconds = (performance.now() - began) / 1000;
  const { findings } = JSON.parse(stdout || stderr) as { findings: Finding[] };
  const told = findings
    .filter(({ severity }) => severity === 'error' || severity === 'warning')
    .map(({ severity, check, message }) => `${severity} ${check}: ${message}`);
  return { code, findings, told, seconds };
}

describe('doctor on three brokers', () => {
  test('says how many are left, what lacks copies, and what can not be read or written', async () => {
    const whole = await topicOn([1, 2, 3], [2, 3, 1], [3, 1, 2]);
    const single = await topicOn([1], [2]);
    const [ofWhole, ofSingle] = [await pipelineOn(whole), await pipelineOn(single)];

    const healthy = await doctor(ofWhole);
    expect(healthy.told).toEqual([]);
    expect(healthy.code).toBe(0);
    expect(healthy.findings).toContainEqual(expect.objectContaining({ check: 'brokers', message: '3 brokers' }));

    await bench.send(whole, [{ partition: 0, key: null, value: '{no json' }]);
    // One copy is a risk, and takes writes though two are asked for.
    await bench.send(single, [{ partition: 1, key: null, value: '{}' }]);
    expect((await doctor(ofSingle)).told).toEqual(['warning replication: one copy: the loss of a disk loses records']);

    await using _second = await killed(2);
    const lacking = await eventually('the cluster has noticed', async () => {
      const found = await doctor(ofWhole);
      return found.told.some((text) => text.includes('under-replicated')) && found;
    });
    expect(lacking.told.toSorted()).toEqual([
      'error brokers: is not up, and has copies of topics that are used',
      'warning brokers: 2 brokers: the loss of one stops the pipeline, and may lose records',
      'warning min-insync: no more copies in sync than the 2 that writes need, so the next broker that goes stops them: p0, p1, p2',
      'warning under-replicated: fewer copies in sync than there should be: p0, p1, p2',
    ]);
    expect(lacking.code).toBe(1);
    const offline = await doctor(ofSingle);
    expect(offline.told).toContain('error offline: no leader that answers: p1 can be neither read nor written');
    expect(offline.told).toContainEqual(expect.stringMatching(/^error group: .*no leader/));

    // What has no leader is another pipeline's: this one reads, and writes its dead letters.
    const ran = await bench.run(['run', ofWhole, '--until-end', '--view', 'none']);
    expect(ran.code, ran.stderr).toBe(0);
    expect(ran.stderr).not.toContain('dlq_unavailable');

    await using _third = await killed(3);
    const alone = await doctor(ofWhole);
    expect(alone.told).toContainEqual(expect.stringMatching(/^error brokers: does not answer: .*ECONNREFUSED/));
    expect(alone.told).toContainEqual(expect.stringMatching(/^warning brokers: 1 broker: /));
    expect(alone.told).toContainEqual(expect.stringMatching(/^error offline: no leader that answers: /));
    for (const found of [lacking, offline, alone]) {
      for (const { remedy, severity } of found.findings) if (severity === 'error') expect(remedy).toMatch(/\w/);
      expect(found.seconds).toBeLessThan(secondsMax);
    }
    const { code, stdout } = await bench.run(['doctor', ofWhole, '--check']);
    expect({ code, stdout }).toEqual({ code: 2, stdout: expect.stringMatching(/^DOCTOR CRITICAL - \d errors/) });
  }, 300_000);
});
