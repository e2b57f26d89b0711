/**
 * Is loaded into each process of a drill before the program (`node --import`), and into nothing else: a pipeline that is not
 * drilled has none of it. It leads connections through the drill's proxies, and ends the process when the drill is gone, also
 * when that was killed and could tell nobody.
 */
import { Socket } from 'node:net';
import { leadThrough, type Route, routesVariable } from './routes.ts';

/** To drain; services are out of reach then, as their proxies went with the drill. */
const drainMs = 5000;

leadThrough(Socket.prototype, JSON.parse(process.env[routesVariable] ?? '[]') as Route[]);
delete process.env[routesVariable];

process.once('disconnect', () => {
  setTimeout(() => process.exit(1), drainMs).unref();
  process.kill(process.pid, 'SIGTERM');
});
// Listening for its end must not keep a process that is done.
process.channel?.unref();
