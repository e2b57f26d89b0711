/** The processes of this user that run pipelines on this machine, and how commands find the one that is meant. */
import { existsSync } from 'node:fs';
import { userInfo } from 'node:os';
import { PipectlError, exitCodes } from '../errors.ts';
import { type ControlAnswer, type ControlSocket, askControl, controlSockets } from '../runtime/control.ts';
import type { StatusSnapshot } from '../runtime/status.ts';
import { snapshotOf } from '../view/json.ts';

/** A process that runs a pipeline; `snapshot` is null where it gives no answer. */
export interface Running {
  readonly socket: ControlSocket;
  readonly snapshot: StatusSnapshot | null;
}

/** A file's pipeline has the name its definition says; anything else is a name. Positions are kept under it, too. */
export async function pipelineName(named: string | undefined, environment: string | null): Promise<string> {
  const isFile = named === undefined || /\.ya?ml$/.test(named) || existsSync(named);
  if (!isFile) return named;
  const { definitionOf } = await import('./definition-of.ts');
  const { name } = await definitionOf(named, environment);
  return name;
}

/** Asks the process behind a socket. Null where none is there any more; rejects where it can't be talked to. */
export function ask(
  { path }: ControlSocket,
  ...request: readonly [method: 'GET' | 'POST', url: string, body?: unknown]
): Promise<ControlAnswer | null> {
  return askControl(path, ...request).catch((error: unknown) => {
    throw new PipectlError('control_unavailable', `asking ${path}: ${(error as Error).message}`, { cause: error });
  });
}

/** The status of the process behind a socket; null where none is there any more. */
export async function statusOf(socket: ControlSocket): Promise<StatusSnapshot | null> {
  const answer = await ask(socket, 'GET', '/status');
  if (answer === null) return null;
  const snapshot = answer.status === 200 ? snapshotOf(answer.body) : null;
  if (snapshot !== null) return snapshot;
  throw new PipectlError('control_version', `process ${socket.pid} runs another version of pipectl`);
}

/** The status of one process that runs a pipeline on this machine; null where there is none. */
export async function statusOfProcess(pipeline: string, pid: number): Promise<StatusSnapshot | null> {
  const socket = (await controlSockets(pipeline, process.env)).find((one) => one.pid === pid);
  return socket === undefined ? null : await statusOf(socket);
}

/** All that run, by name and process id; of one pipeline or of all. */
export async function runningPipelines(pipeline: string | null): Promise<readonly Running[]> {
  const sockets = await controlSockets(pipeline, process.env);
  const all = await Promise.all(
    sockets.map(async (socket) => {
      try {
        const snapshot = await statusOf(socket);
        return snapshot === null ? [] : [{ socket, snapshot }];
      } catch {
        // It is there, and it may be the one that matters: it stands still, or is of another version.
        return [{ socket, snapshot: null }];
      }
    }),
  );
  const nameOf = ({ snapshot }: Running): string => snapshot?.pipeline ?? '';
  return all.flat().toSorted((a, b) => nameOf(a).localeCompare(nameOf(b)) || a.socket.pid - b.socket.pid);
}

/** The one process that is meant. Rejects where there is none, or several of which none is named by its process id. */
export async function theRunning(pipeline: string, pid: number | undefined): Promise<ControlSocket> {
  const sockets = (await runningPipelines(pipeline)).map(({ socket }) => socket);
  const meant = pid === undefined ? sockets : sockets.filter((socket) => socket.pid === pid);
  if (meant.length === 1) return meant[0]!;
  if (meant.length === 0) {
    const which = pid === undefined ? '' : `with process id ${pid} `;
    throw new PipectlError(
      'pipeline_not_running',
      `no process ${which}runs ${pipeline} on this machine as ${userInfo().username}`,
    );
  }
  throw new PipectlError(
    'pipeline_ambiguous',
    `${meant.length} processes run ${pipeline}: ${meant.map((socket) => socket.pid).join(', ')}`,
    { exitCode: exitCodes.usage },
  );
}
