/**
 * A process between the stack's owner and its services, so that they cannot outlive it: when the owner's channel
 * closes - it ended, crashed or got kill -9 - everything is stopped and the data is removed. It runs in a session
 * of its own, where neither Ctrl-C nor a signal to the owner's process group reaches it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { endProcess, sendSignal, sendSignalToTree } from './process-tree.ts';
import type { Answer, ProcessSpec, Request } from './supervised.ts';

/** How long a service may take to end by its own signal before it is killed. */
const stopMsMax = 5_000;

const running = new Map<string, { child: ChildProcess; cleanupSignal: NodeJS.Signals }>();
const directories = new Set<string>();
let closing = false;

process.on('message', (request: Request) => {
  try {
    answer({ reply: request.id, result: perform(request) });
  } catch (error) {
    answer({ reply: request.id, problem: (error as Error).message });
  }
});
process.on('disconnect', () => void close());
for (const ending of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(ending, () => void close());

/** @returns the process id of what was started */
function perform(request: Request): number | undefined {
  if (closing) throw new Error('the stack is stopping');
  if (request.kind === 'start') return start(request.name, request.spec);
  if (request.kind === 'signal') signal(request.name, request.signal, request.tree);
  else directories.add(request.directory);
  return undefined;
}

function signal(name: string, what: NodeJS.Signals, tree: boolean): void {
  const pid = running.get(name)?.child.pid;
  if (pid === undefined) return;
  if (tree) sendSignalToTree(pid, what);
  else sendSignal(pid, what);
}

function start(name: string, spec: ProcessSpec): number | undefined {
  const log = openSync(spec.logFile, 'a');
  const child = spawn(spec.command, spec.args, {
    stdio: ['ignore', log, log],
    env: { ...process.env, ...spec.env },
    ...(spec.cwd === undefined ? {} : { cwd: spec.cwd }),
    ...(spec.user === undefined ? {} : { uid: spec.user.uid, gid: spec.user.gid }),
  });
  closeSync(log);
  running.set(name, { child, cleanupSignal: spec.cleanupSignal });
  const ended = (code: number | null, signal: string | null, problem?: string): void => {
    if (running.get(name)?.child !== child) return;
    running.delete(name);
    answer({ ended: name, code, signal, ...(problem === undefined ? {} : { problem }) });
  };
  child.on('exit', (code, signal) => ended(code, signal));
  child.on('error', (error: NodeJS.ErrnoException) => ended(null, null, error.code ?? error.message));
  return child.pid;
}

async function close(): Promise<void> {
  if (closing) return;
  closing = true;
  await Promise.all([...running.values()].map(({ child, cleanupSignal }) => end(child, cleanupSignal)));
  for (const directory of directories) {
    await rm(directory, { recursive: true, force: true, maxRetries: 5 });
  }
  process.exit(0);
}

function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  const { pid } = child;
  if (pid === undefined) return Promise.resolve();
  return new Promise((resolve) => {
    const deadline = setTimeout(() => sendSignalToTree(pid, 'SIGKILL'), stopMsMax);
    child.once('exit', () => {
      clearTimeout(deadline);
      resolve();
    });
    endProcess(pid, signal);
  });
}

function answer(message: Answer): void {
  if (process.connected) process.send?.(message, () => {});
}
