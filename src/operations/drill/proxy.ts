/** Stands before a service, hands bytes on as they come (TLS too), and can be away. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

export interface Address {
  readonly host: string;
  readonly port: number;
}

export class ServiceProxy implements AsyncDisposable {
  readonly service: Address;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #isCut = false;
  #struck = 0;

  private constructor(service: Address) {
    this.service = service;
    this.#server = createServer((client) => this.#join(client));
  }

  /** Listens on 127.0.0.1, at a port of the system's choice. */
  static async open(service: Address): Promise<ServiceProxy> {
    const proxy = new ServiceProxy(service);
    await once(proxy.#server.listen(0, '127.0.0.1'), 'listening');
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Connections that were reset or refused so far. */
  get struck(): number {
    return this.#struck;
  }

  /** Resets all connections, and each new one at once, until `mend`. */
  cut(): void {
    this.#isCut = true;
    // Each connection has a socket on either side.
    this.#struck += Math.ceil(this.#sockets.size / 2);
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  mend(): void {
    this.#isCut = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await new Promise((closed) => this.#server.close(closed));
  }

  #join(client: Socket): void {
    client.on('error', () => {});
    if (this.#isCut) {
      this.#struck++;
      client.resetAndDestroy();
      return;
    }
    const upstream = connect({ ...this.service, noDelay: true });
    client.setNoDelay();
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.once('close', () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
    }
    client.pipe(upstream).pipe(client);
  }
}
