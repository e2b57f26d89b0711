import { userInfo } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Command, InvalidArgumentError } from 'commander';
import { exitCodes } from '../errors.ts';
import { formatCount, formatDuration, formatRate } from '../view/format.ts';
import { jsonLine } from '../view/json.ts';
import { readPerSecond, summaryLine } from '../view/plain.ts';
import { describeTerminal } from '../view/terminal.ts';
import { printable, printableDeep } from '../view/text.ts';
import { verdict } from '../view/verdict.ts';
import { environmentOf } from './environment.ts';
import type { Running } from './running.ts';
import { type Column, table } from './table.ts';

interface Flags {
  readonly json?: boolean;
  readonly watch?: boolean;
  readonly pid?: number;
  readonly color: boolean;
}

const WATCH_MS = 1_000;

/** `pipectl status`: the pipelines that run on this machine, or the status view of one of them. */
export function registerStatus(program: Command): void {
  program
    .command('status')
    .description('Lists the pipelines that run on this machine; with a name shows the status view of that one.')
    .argument('[pipeline]', 'name or file of a pipeline')
    .option('--json', 'one JSON object a line for each process; with a name its whole status')
    .option('--watch', 'go on until Ctrl-C, once a second')
    .option('--pid <pid>', 'of the process, where several run the pipeline', processId)
    .addHelpText('after', '\nExit codes: 0 done, 1 nothing of that name runs here.')
    .action(async (named: string | undefined, _: unknown, command: Command) => {
      const flags = command.optsWithGlobals<Flags>();
      process.exitCode = await (named === undefined ? list(flags) : one(named, environmentOf(command), flags));
    });
}

async function list({ json, watch, pid }: Flags): Promise<number> {
  const { runningPipelines } = await import('./running.ts');
  do {
    const running = (await runningPipelines(null)).filter(({ socket }) => pid === undefined || socket.pid === pid);
    if (json === true) for (const each of running) process.stdout.write(`${listJson(each)}\n`);
    else {
      // Home, then clear what is below: no flicker, and what was there before stays in the scrollback.
      if (watch === true && process.stdout.isTTY) process.stdout.write('\u001b[H\u001b[J');
      process.stdout.write(running.length === 0 ? nothing() : table(COLUMNS, running));
    }
  } while (watch === true && (await sleep(WATCH_MS, true)));
  return exitCodes.done;
}

const nothing = (): string => `no pipeline runs on this machine as ${userInfo().username}\n`;

async function one(named: string, environment: string | null, flags: Flags): Promise<number> {
  const { pipelineName, statusOf, theRunning } = await import('./running.ts');
  const name = await pipelineName(named, environment);
  const socket = await theRunning(name, flags.pid);
  if (flags.json !== true && process.stdin.isTTY && process.stdout.isTTY) {
    const { attach } = await import('./attach.ts');
    await attach(name, socket, describeTerminal(process.env, !flags.color));
    return exitCodes.done;
  }
  do {
    const snapshot = await statusOf(socket);
    if (snapshot === null) {
      process.stderr.write(`pipectl: ${name} has ended\n`);
      return flags.watch === true ? exitCodes.done : exitCodes.failed;
    }
    process.stdout.write(
      flags.json === true ? `${jsonLine(snapshot)}\n` : `${summaryLine(printableDeep(snapshot, true))}\n`,
    );
  } while (flags.watch === true && (await sleep(WATCH_MS, true)));
  return exitCodes.done;
}

const known =
  (cell: (snapshot: NonNullable<Running['snapshot']>) => string, unknown = '-') =>
  ({ snapshot }: Running): string =>
    snapshot === null ? unknown : printable(cell(snapshot), true);

const COLUMNS: readonly Column<Running>[] = [
  { title: 'PIPELINE', align: 'left', cell: known(({ pipeline }) => pipeline, '?') },
  { title: 'ENV', align: 'left', cell: known(({ environment }) => environment ?? '-') },
  { title: 'PID', align: 'right', cell: ({ socket }) => String(socket.pid) },
  { title: 'STATE', align: 'left', cell: known(({ state }) => state, 'no answer') },
  { title: 'UP', align: 'right', cell: known(({ atMs, startedAtMs }) => formatDuration(atMs - startedAtMs)) },
  { title: 'IN/S', align: 'right', cell: known((snapshot) => formatRate(readPerSecond(snapshot))) },
  { title: 'LAG', align: 'right', cell: known(({ lag }) => formatCount(lag)) },
  { title: 'DEAD', align: 'right', cell: known(({ deadLetters }) => formatCount(deadLetters.total)) },
  { title: 'VERDICT', align: 'left', cell: known(verdictWords) },
];

function verdictWords(snapshot: NonNullable<Running['snapshot']>): string {
  const { causes } = verdict(snapshot);
  return causes.length === 0 ? 'ok' : causes.map((cause) => `! ${cause}`).join('  ');
}

function listJson({ socket, snapshot }: Running): string {
  return JSON.stringify({
    pipeline: snapshot?.pipeline ?? null,
    environment: snapshot?.environment ?? null,
    pid: socket.pid,
    member: snapshot?.member ?? null,
    file: snapshot?.file ?? null,
    state: snapshot?.state ?? null,
    since: snapshot && new Date(snapshot.startedAtMs).toISOString(),
    inPerSecond: snapshot && readPerSecond(snapshot),
    lag: snapshot?.lag ?? null,
    dead: snapshot?.deadLetters.total ?? null,
    ok: snapshot && verdict(snapshot).ok,
    causes: snapshot && verdict(snapshot).causes,
  });
}

function processId(text: string): number {
  if (!/^[1-9]\d{0,9}$/.test(text)) throw new InvalidArgumentError('expected a process id');
  return Number(text);
}
