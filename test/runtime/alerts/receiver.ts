import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { AlertMessage } from '../../../src/runtime/alerts/message.ts';

/** A webhook on this machine. */
export interface Hook extends AsyncDisposable {
  /** What it has taken, in order. */
  readonly got: readonly AlertMessage[];
  readonly url: string;
  /** How many more it refuses with 503. */
  refusals: number;
}

export async function receiver(refusals = 0): Promise<Hook> {
  const got: AlertMessage[] = [];
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (part: Buffer) => (text += part.toString()));
    request.on('end', () => {
      if (hook.refusals-- > 0) return response.writeHead(503).end();
      got.push(JSON.parse(text) as AlertMessage);
      return response.writeHead(200).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const hook: Hook = {
    got,
    refusals,
    url: `http://127.0.0.1:${port}/hook-s3cret-path`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return hook;
}
