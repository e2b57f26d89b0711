import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** Loopback, always: nothing of the stack can be reached from outside. */
export const host = '127.0.0.1';

/**
 * A port nobody listens on. Below the range the system gives to outgoing connections, so that a service
 * that was stopped finds its port free when it starts again.
 */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 10_240 + Math.floor(Math.random() * 20_000);
    if (claimed.has(port)) continue;
    claimed.add(port);
    if (await isFree(port)) return port;
  }
}

const claimed = new Set<number>();

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, host);
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  await new Promise((resolve) => server.close(resolve));
  return true;
}

/** Whether somebody accepts connections on the port. */
export async function isListening(port: number): Promise<boolean> {
  const socket = connect(port, host);
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** A service that takes connections and never answers. */
export interface SilentService extends AsyncDisposable {
  readonly port: number;
  /** Resolves with the first connection. */
  readonly connected: Promise<void>;
}

export async function listen(): Promise<SilentService> {
  const { promise: connected, resolve } = Promise.withResolvers<void>();
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    resolve();
  }).listen(0, host);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    connected,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((closed) => server.close(closed));
    },
  };
}
