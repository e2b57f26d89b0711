/** `run --metrics`: `/metrics` for Prometheus, `/healthz` and `/readyz` for whoever starts and stops processes. */
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PipectlError } from '../errors.ts';
import { expositionType } from './exposition.ts';

export interface MetricsAddress {
  readonly host: string;
  readonly port: number;
}

/** What the server answers with, as soon as there are pipelines. */
export interface MetricsPages {
  metrics(): string;
  isHealthy(): boolean;
  isReady(): boolean;
  /** Lines below the answer to the last two. */
  details(): readonly string[];
}

export interface MetricsServer {
  /** `127.0.0.1:9090`, with the port it got where 0 was asked for. */
  readonly address: string;
  serve(pages: MetricsPages): void;
  /** Never rejects. */
  close(): Promise<void>;
}

const connectionsMax = 64;
const requestMs = 10_000;

/**
 * `9090` and `:9090` are this machine alone; another host must be said: `0.0.0.0:9090`, `[::]:9090`. Undefined for any
 * other text.
 */
export function parseMetricsAddress(text: string): MetricsAddress | undefined {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]:|([A-Za-z0-9._-]*):)?(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port > 65_535) return undefined;
  return { host: match[1] ?? (match[2] || '127.0.0.1'), port };
}

/** Listens. Rejects with `metrics_address` where that is not possible. Until `serve` it is healthy and not ready. */
export async function openMetricsServer({ host, port }: MetricsAddress): Promise<MetricsServer> {
  let pages: MetricsPages | undefined;
  const server = createServer((request, response) => respond(request, response, pages));
  server.maxConnections = connectionsMax;
  server.requestTimeout = requestMs;
  server.headersTimeout = requestMs;
  await listen(server, host, port);
  // A process that is done must not be kept by it.
  server.unref();
  const { address, family, port: got } = server.address() as AddressInfo;
  return {
    address: family === 'IPv6' ? `[${address}]:${got}` : `${address}:${got}`,
    serve: (made) => (pages = made),
    close() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const why = error.code === 'EADDRINUSE' ? 'the port is in use by another process' : error.message;
      reject(
        new PipectlError('metrics_address', `--metrics can't listen on ${host}:${port}: ${why}`, { cause: error }),
      );
    });
    server.listen({ host, port }, resolve);
  });
}

function respond(request: IncomingMessage, response: ServerResponse, pages: MetricsPages | undefined): void {
  const send = (status: number, text: string, type = 'text/plain; charset=utf-8'): void => {
    response.writeHead(status, { 'content-type': type, 'content-length': Buffer.byteLength(text) });
    response.end(request.method === 'HEAD' ? undefined : text);
  };
  if (request.method !== 'GET' && request.method !== 'HEAD') return send(405, 'GET only\n');
  const [path] = (request.url ?? '').split('?', 1);
  const yes = (is: boolean): void =>
    send(is ? 200 : 503, [is ? 'yes' : 'no', ...(pages?.details() ?? []), ''].join('\n'));
  try {
    switch (path) {
      case '/metrics':
        return pages === undefined ? send(503, 'starting\n') : send(200, pages.metrics(), expositionType);
      case '/healthz':
        return yes(pages?.isHealthy() ?? true);
      case '/readyz':
        return yes(pages?.isReady() ?? false);
      default:
        return send(404, 'there are /metrics, /healthz and /readyz\n');
    }
  } catch (error) {
    send(500, `${error instanceof Error ? error.message : String(error)}\n`);
  }
}
