import { execFileSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';

/** Whether a process with this id runs; one that has ended and only waits to be collected does not. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command name may hold spaces and brackets; the state is the first field after the last bracket.
    return stat.slice(stat.lastIndexOf(')') + 2, stat.lastIndexOf(')') + 3) !== 'Z';
  } catch {
    return true;
  }
}

/** Sends a signal; a process that is gone already is no error. */
export function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/**
 * Signals a process and everything it started. PostgreSQL's backends each lead a process group of their own,
 * so a signal to a group would not reach them.
 */
export function sendSignalToTree(pid: number, signal: NodeJS.Signals): void {
  // A parent that stands still starts no further children while they are being listed.
  if (signal !== 'SIGCONT') sendSignal(pid, 'SIGSTOP');
  for (const child of descendants(pid)) sendSignal(child, signal);
  sendSignal(pid, signal);
}

/** Sends the signal that ends a process, and wakes one that a test has paused so that it sees it. */
export function endProcess(pid: number, signal: NodeJS.Signals): void {
  sendSignal(pid, signal);
  sendSignalToTree(pid, 'SIGCONT');
}

/** Every process below this one, without it. */
export function descendants(root: number): number[] {
  const childrenOf = new Map<number, number[]>();
  for (const [pid, parent] of parents()) {
    childrenOf.set(parent, [...(childrenOf.get(parent) ?? []), pid]);
  }
  const found: number[] = [];
  const open = [root];
  for (let pid = open.pop(); pid !== undefined; pid = open.pop()) {
    const children = childrenOf.get(pid) ?? [];
    found.push(...children);
    open.push(...children);
  }
  return found;
}

/** Process id and its parent's, of every process: from /proc, or where there is none from `ps`. */
function parents(): [number, number][] {
  if (process.platform !== 'linux') {
    return execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' })
      .trim()
      .split('\n')
      .map((line) => line.trim().split(/\s+/).map(Number) as [number, number]);
  }
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name): [number, number][] => {
      try {
        const stat = readFileSync(`/proc/${name}/stat`, 'utf8');
        const parent = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1];
        return [[Number(name), Number(parent)]];
      } catch {
        return [];
      }
    });
}
