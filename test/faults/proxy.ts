/**
 * Stands between pipectl and a service, passes on whole messages, and lets a test act at a named one: before it is passed
 * on, as it is, or when its answer comes back.
 */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { host } from '../stack/loopback.ts';

/** How messages of a protocol are told apart. */
interface Protocol {
  /** Bytes of the first message of `data`, header included; undefined where more is needed. */
  lengthOf(data: Buffer, isFirst: boolean, side: 'client' | 'server'): number | undefined;
  /** What a client's message is; compared with what a trap waits for. */
  nameOf(message: Buffer): string;
  /** Whether a server's message ends the answer to `request`. */
  isAnswer(message: Buffer, request: Buffer): boolean;
  /** What a server's message becomes on its way. */
  passed(message: Buffer): Buffer;
}

export interface Trap {
  /** Which of the client's messages springs it. */
  readonly at: RegExp;
  /**
   * `asked`: the message never arrives. `answered`: it does, and its answer is withheld. After both the connection is
   * gone. `held`: it arrives when `act` is done. `passed`: it arrives, and nothing else changes.
   */
  readonly when: 'asked' | 'answered' | 'held' | 'passed';
  readonly act: () => void | Promise<void>;
}

export class Proxy implements AsyncDisposable {
  readonly #protocol: Protocol;
  readonly #upstreamPort: number;
  readonly #sockets = new Set<Socket>();
  readonly #server;
  #trap: Trap | null = null;
  #sprung = 0;
  #isCut = false;
  #clients = 0;

  constructor(upstreamPort: number, protocol: (port: () => number) => Protocol) {
    this.#upstreamPort = upstreamPort;
    this.#protocol = protocol(() => this.port);
    this.#server = createServer((client) => this.#join(client));
  }

  async listen(): Promise<this> {
    await once(this.#server.listen(0, host), 'listening');
    return this;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** How often a trap has sprung. */
  get sprung(): number {
    return this.#sprung;
  }

  /** Connections of clients that are open now. */
  get connections(): number {
    return this.#clients;
  }

  /** Sets a trap that springs once, in place of the former. */
  arm(trap: Trap): void {
    this.#trap = trap;
  }

  /** Closes all connections, and new ones at once, until `mend`. */
  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  mend(): void {
    this.#isCut = false;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    await new Promise((closed) => this.#server.close(closed));
  }

  #join(client: Socket): void {
    if (this.#isCut) return void client.destroy();
    this.#clients++;
    client.once('close', () => this.#clients--);
    const upstream = connect(this.#upstreamPort, host);
    const close = (): void => {
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) {
      this.#sockets.add(socket.setNoDelay());
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#sockets.delete(socket);
        close();
      });
    }
    const act = async ({ act: sprung }: Trap): Promise<void> => {
      this.#sprung++;
      await sprung();
    };
    /** Nobody is to notice anything before the test has acted; then the connection is gone. */
    const actAndClose = (trap: Trap): void => {
      isSprung = true;
      void act(trap).then(close, close);
    };

    let request: { readonly message: Buffer; readonly trap: Trap } | null = null;
    let isSprung = false;
    let held: Buffer[] | null = null;
    const protocol = this.#protocol;
    const ask = (message: Buffer): void => {
      if (isSprung) return;
      if (held !== null) return void held.push(message);
      const trap = this.#trap;
      if (trap === null || !trap.at.test(protocol.nameOf(message))) return void upstream.write(message);
      this.#trap = null;
      switch (trap.when) {
        case 'asked':
          return actAndClose(trap);
        case 'answered':
          request = { message, trap };
          return void upstream.write(message);
        case 'passed':
          upstream.write(message);
          return void act(trap);
        case 'held': {
          const waiting = (held = [message]);
          return void act(trap).finally(() => {
            held = null;
            for (const one of waiting) upstream.write(one);
          });
        }
      }
    };
    const answer = (message: Buffer): void => {
      if (isSprung) return;
      if (request !== null && protocol.isAnswer(message, request.message)) actAndClose(request.trap);
      else client.write(protocol.passed(message));
    };
    client.on('data', eachMessage(protocol, 'client', ask));
    upstream.on('data', eachMessage(protocol, 'server', answer));
  }
}

/** Cuts a stream into messages. */
function eachMessage(
  protocol: Protocol,
  side: 'client' | 'server',
  take: (message: Buffer) => void,
): (data: Buffer) => void {
  let rest: Buffer[] = [];
  let size = 0;
  let wanted: number | undefined;
  let isFirst = true;
  return (data) => {
    rest.push(data);
    size += data.length;
    if (wanted !== undefined && size < wanted) return;
    let whole = rest.length === 1 ? data : Buffer.concat(rest);
    for (;;) {
      wanted = protocol.lengthOf(whole, isFirst, side);
      if (wanted === undefined || whole.length < wanted) break;
      take(whole.subarray(0, wanted));
      whole = whole.subarray(wanted);
      isFirst = false;
    }
    rest = whole.length === 0 ? [] : [whole];
    size = whole.length;
  };
}

/** Messages of PostgreSQL are named by their type, queries with their text: `Q BEGIN; ...`; `d` is data of a COPY. */
const postgres = (): Protocol => ({
  lengthOf(data, isFirst, side) {
    // A client's first message has no type.
    const at = isFirst && side === 'client' ? 0 : 1;
    return data.length < at + 4 ? undefined : at + data.readInt32BE(at);
  },
  nameOf(message) {
    const type = String.fromCharCode(message[0]!);
    return type === 'Q' || type === 'P' ? `${type} ${message.toString('utf8', 5)}` : type;
  },
  // ReadyForQuery: everything that was asked for is answered.
  isAnswer: (message) => message[0] === 'Z'.charCodeAt(0),
  passed: (message) => message,
});

/** Requests of Kafka that are named, by their key in the protocol. */
const requestNames: Readonly<Record<number, string>> = {
  0: 'Produce',
  1: 'Fetch',
  8: 'OffsetCommit',
  11: 'JoinGroup',
  13: 'LeaveGroup',
  14: 'SyncGroup',
  22: 'InitProducerId',
};

/** The broker names itself in its answers: there the proxy puts its own port, so that clients come back to it. */
const kafka =
  (brokerPort: number) =>
  (port: () => number): Protocol => {
    const place = (number: number): Buffer => {
      const bytes = Buffer.from(`${host}____`);
      bytes.writeInt32BE(number, host.length);
      return bytes;
    };
    const broker = place(brokerPort);
    return {
      lengthOf: (data) => (data.length < 4 ? undefined : 4 + data.readInt32BE(0)),
      nameOf: (message) => requestNames[message.readInt16BE(4)] ?? '',
      // Both carry the number by which they belong together.
      isAnswer: (message, request) => message.readInt32BE(4) === request.readInt32BE(8),
      passed(message) {
        let at = message.indexOf(broker);
        if (at === -1) return message;
        const changed = Buffer.from(message);
        for (; at !== -1; at = changed.indexOf(broker, at + 1)) place(port()).copy(changed, at);
        return changed;
      },
    };
  };

/** Before PostgreSQL: a proxy, and the URL that leads through it. */
export async function postgresProxy(url: string): Promise<Proxy & { readonly url: string }> {
  const proxy = await new Proxy(Number(new URL(url).port), postgres).listen();
  const through = new URL(url);
  through.port = String(proxy.port);
  return Object.assign(proxy, { url: through.href });
}

/** Before the only broker of a cluster. */
export async function kafkaProxy(brokers: string): Promise<Proxy & { readonly brokers: string }> {
  const port = Number(brokers.split(':')[1]);
  const proxy = await new Proxy(port, kafka(port)).listen();
  return Object.assign(proxy, { brokers: `${host}:${proxy.port}` });
}
