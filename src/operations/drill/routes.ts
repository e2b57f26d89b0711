/** How the processes of a drill are led through its proxies: by where they connect to, whatever library connects. */
import type { Socket } from 'node:net';

/** Connections to `host`:`port` go to `to`, a port of 127.0.0.1. */
export interface Route {
  readonly host: string;
  readonly port: number;
  readonly to: number;
}

/** The environment variable that hands a process its routes, as JSON. No secret is in them. */
export const routesVariable = 'PIPECTL_DRILL_ROUTES';

interface Destination {
  readonly host?: string;
  readonly port?: number | string;
}

/**
 * The arguments of `Socket.connect`, in any of its forms, with the destination replaced where a route leads elsewhere. The name
 * that a certificate is checked against is none of them: TLS takes it from what was asked for, so it stays the service's.
 */
export function rerouted(given: readonly unknown[], routes: readonly Route[]): readonly unknown[] {
  const [first, ...others] = given;
  const through = (destination: Destination): Destination => {
    const { host = 'localhost', port } = destination;
    const route = routes.find((one) => one.host === host.toLowerCase() && one.port === Number(port));
    return route === undefined ? destination : { ...destination, host: '127.0.0.1', port: route.to };
  };
  if (Array.isArray(first)) {
    // The options and the callback, as `net.connect` hands them on: in a list that Node knows again.
    first[0] = through(first[0] as Destination);
    return given;
  }
  if (typeof first === 'object' && first !== null) return [through(first), ...others];
  if (typeof first !== 'number' && !/^\d+$/.test(String(first))) return given;
  const [host, ...rest] = others;
  const port = Number(first);
  return typeof host === 'string' ? [through({ host, port }), ...rest] : [through({ port }), ...others];
}

/** Leads every connection that is opened from now on. */
export function leadThrough(sockets: { connect: Socket['connect'] }, routes: readonly Route[]): void {
  const { connect } = sockets;
  sockets.connect = function (this: Socket, ...given: unknown[]) {
    return Reflect.apply(connect, this, rerouted(given, routes)) as Socket;
  } as Socket['connect'];
}
