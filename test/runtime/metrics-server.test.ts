import { describe, expect, it } from 'vitest';
import { openMetricsServer, parseMetricsAddress } from '../../src/runtime/metrics-server.ts';

describe('--metrics', () => {
  it('binds this machine alone unless another host is said', () => {
    expect(parseMetricsAddress('9090')).toEqual({ host: '127.0.0.1', port: 9090 });
    expect(parseMetricsAddress(':9090')).toEqual({ host: '127.0.0.1', port: 9090 });
    expect(parseMetricsAddress('0.0.0.0:9090')).toEqual({ host: '0.0.0.0', port: 9090 });
    expect(parseMetricsAddress('[::1]:9090')).toEqual({ host: '::1', port: 9090 });
    for (const wrong of ['', 'localhost', '70000', 'a b:1', 'http://x:1', '::1:9090', '-1'])
      expect(parseMetricsAddress(wrong), wrong).toBeUndefined();
  });

  it('is healthy and not ready until there is a pipeline, then what the pipeline says', async () => {
    const server = await openMetricsServer({ host: '127.0.0.1', port: 0 });
    const get = async (path: string, method = 'GET') => {
      const answer = await fetch(`http://${server.address}${path}`, { method });
      return { status: answer.status, text: await answer.text(), type: answer.headers.get('content-type') };
    };
    expect(await get('/healthz')).toMatchObject({ status: 200 });
    expect(await get('/readyz')).toMatchObject({ status: 503 });
    expect(await get('/metrics')).toMatchObject({ status: 503 });
    let ready = true;
    server.serve({
      metrics: () => 'a 1\n',
      isHealthy: () => false,
      isReady: () => ready,
      details: () => ['orders failed', 'payments running'],
    });
    expect(await get('/metrics?x=1')).toEqual({
      status: 200,
      text: 'a 1\n',
      type: 'text/plain; version=0.0.4; charset=utf-8',
    });
    expect(await get('/metrics', 'HEAD')).toMatchObject({ status: 200, text: '' });
    expect(await get('/healthz')).toMatchObject({ status: 503, text: 'no\norders failed\npayments running\n' });
    expect(await get('/readyz')).toMatchObject({ status: 200, text: 'yes\norders failed\npayments running\n' });
    ready = false;
    expect(await get('/readyz')).toMatchObject({ status: 503 });
    expect(await get('/')).toMatchObject({ status: 404 });
    expect(await get('/metrics', 'POST')).toMatchObject({ status: 405 });
    await server.close();
    await expect(get('/healthz')).rejects.toThrow('fetch failed');
  });

  it('says which address it can not have', async () => {
    await using server = Object.assign(await openMetricsServer({ host: '127.0.0.1', port: 0 }), {
      [Symbol.asyncDispose]: () => server.close(),
    });
    const port = Number(server.address.split(':')[1]);
    await expect(openMetricsServer({ host: '127.0.0.1', port })).rejects.toMatchObject({
      code: 'metrics_address',
      message: `--metrics can't listen on 127.0.0.1:${port}: the port is in use by another process`,
    });
  });
});
