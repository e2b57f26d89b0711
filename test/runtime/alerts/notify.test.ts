import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type AlertMessage, testMessage } from '../../../src/runtime/alerts/message.ts';
import { Notifier, send, targetName } from '../../../src/runtime/alerts/notify.ts';
import { systemClock } from '../../../src/runtime/clock.ts';

const message: AlertMessage = {
  ...testMessage({ pipeline: 'a<b>&c', environment: null, group: 'g', member: 'm' }, 0),
  state: 'firing',
  text: 'lag: group records 5 < 6',
  runbook: 'pipectl runbook growing-lag',
};

/** Answers with one status after the other, the last one from then on. */
async function receiver(...statuses: (number | 'silent')[]) {
  const got: unknown[] = [];
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (part: Buffer) => (text += part.toString()));
    request.on('end', () => {
      const status = statuses.length > 1 ? statuses.shift()! : statuses[0]!;
      got.push(JSON.parse(text));
      if (status !== 'silent') response.writeHead(status, { location: 'http://127.0.0.1:1/' }).end('{}');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = () => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  };
  return {
    got,
    url: `http://127.0.0.1:${port}/hooks/s3cret`,
    close,
    [Symbol.asyncDispose]: async () => void (await close()),
  };
}

const webhook = (url: string, timeoutMs = 5000) => ({ kind: 'webhook', url, timeoutMs }) as const;

let directory: string;
beforeEach(async () => void (directory = await mkdtemp(join(tmpdir(), 'alerts-'))));
afterEach(() => rm(directory, { recursive: true, force: true }));

describe('sending', () => {
  it('gives a webhook the message as JSON', async () => {
    await using hook = await receiver(204);
    expect(await send(webhook(hook.url), message)).toEqual({ sent: true, answer: 'HTTP 204', isFinal: false });
    expect(hook.got).toEqual([message]);
  });

  it('gives Slack text in which nothing is markup that is not ours', async () => {
    await using hook = await receiver(200);
    await send({ kind: 'slack', url: hook.url, timeoutMs: 5000 }, message);
    const { text } = hook.got[0] as { readonly text: string };
    expect(text).toContain('FIRING *a&lt;b&gt;&amp;c* lag: group records 5 &lt; 6');
    expect(text).toContain('`pipectl runbook growing-lag`');
  });

  it('gives a command the message on its input, without a shell', async () => {
    const out = join(directory, 'out');
    const script = `require('fs').writeFileSync(process.argv[1], require('fs').readFileSync(0))`;
    const argv = [process.execPath, '-e', script, `${out};exit 1`];
    const result = await send({ kind: 'command', argv, timeoutMs: 10_000 }, message);
    expect(result).toMatchObject({ sent: true, answer: 'exit code 0' });
    expect(JSON.parse(await readFile(`${out};exit 1`, 'utf8').catch(() => 'null'))).toEqual(message);
  });

  it('ends a command and an answer that take too long', async () => {
    const forever = [process.execPath, '-e', 'setInterval(() => {}, 1000)'];
    expect(await send({ kind: 'command', argv: forever, timeoutMs: 200 }, message)).toMatchObject({
      sent: false,
      answer: 'not done in time',
      isFinal: false,
    });
    await using hook = await receiver('silent');
    expect(await send(webhook(hook.url, 100), message)).toMatchObject({ sent: false, answer: 'no answer in time' });
  });

  it('tells what a target did not take, and never its address', async () => {
    await using hook = await receiver(404, 302, 503);
    const target = webhook(hook.url);
    expect(await send(target, message)).toEqual({ sent: false, answer: 'HTTP 404', isFinal: true });
    expect(await send(target, message)).toEqual({ sent: false, answer: 'HTTP 302', isFinal: true });
    expect(await send(target, message)).toEqual({ sent: false, answer: 'HTTP 503', isFinal: false });
    await hook.close();
    const away = await send(target, message);
    // A connection that was kept may be the one that breaks.
    expect(away).toEqual({
      sent: false,
      answer: expect.stringMatching(/^(ECONNREFUSED|ECONNRESET|UND_ERR_SOCKET)$/),
      isFinal: false,
    });
    expect(targetName(target)).toMatch(/^webhook 127\.0\.0\.1:\d+$/);
    const missing = await send({ kind: 'command', argv: ['/no/such/program'], timeoutMs: 1000 }, message);
    expect(missing).toEqual({ sent: false, answer: 'ENOENT', isFinal: true });
  });
});

describe('the notifier', () => {
  const warnings: string[] = [];
  const log = {
    info: () => undefined,
    warn: (code: string, text: string) => void warnings.push(`${code} ${text}`),
    error: () => undefined,
  };
  const quick = { now: systemClock.now, sleep: (_: number, signal?: AbortSignal) => systemClock.sleep(1, signal) };
  beforeEach(() => void (warnings.length = 0));

  it('repeats what failed, keeps the order, and does not wait for a slow target with the others', async () => {
    await using good = await receiver(503, 500, 200);
    await using silent = await receiver('silent');
    const notifier = new Notifier([webhook(silent.url), webhook(good.url)], { clock: quick, random: () => 0, log });
    notifier.push(message);
    notifier.push({ ...message, state: 'resolved' });
    const states = () => good.got.map((one) => (one as AlertMessage).state);
    await vi.waitFor(() => expect(states()).toEqual(['firing', 'firing', 'firing', 'resolved']), { timeout: 10_000 });
    await notifier.close();
    expect(warnings.every((text) => !text.includes('s3cret'))).toBe(true);
  });

  it('gives up in the end and says so without the address', async () => {
    await using hook = await receiver(403);
    const notifier = new Notifier([webhook(hook.url)], { clock: quick, random: () => 0, log });
    notifier.push(message);
    await vi.waitFor(() => expect(warnings).toHaveLength(1));
    await notifier.close();
    expect(warnings[0]).toMatch(/^alert_not_sent webhook 127\.0\.0\.1:\d+ was not told of test firing: HTTP 403$/);
    expect(hook.got).toHaveLength(1);
  });
});
