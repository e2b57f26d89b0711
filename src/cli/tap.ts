import { type Command, InvalidArgumentError } from 'commander';
import { PipectlError, exitCodes } from '../errors.ts';
import type { TapCounts } from '../runtime/tap.ts';
import { formatCount } from '../view/format.ts';
import { environmentOf } from './environment.ts';

interface Flags {
  readonly after: string;
  readonly count?: number;
  readonly rate: number;
  readonly key?: string;
  readonly redact: readonly string[];
  readonly pid?: number;
}

/** `pipectl tap`: events of a running pipeline as they leave a step. */
export function registerTap(program: Command): void {
  program
    .command('tap')
    .description('Shows events of a running pipeline as they leave a step: a live sample, one JSON object a line.')
    .argument('[pipeline]', 'name or file of the pipeline; default: the one pipeline of this folder')
    .requiredOption('--after <step>', 'the step; source: as they were read')
    .option('-n, --count <events>', 'end after so many; default: go on until Ctrl-C', positive)
    .option('--rate <n/s>', 'at most so many a second, up to 1000', rate, 10)
    .option('--key <text>', 'of records with this key')
    .option('--redact <path>', "hide a field, customer.email, or the record's key; may be given again", collected, [])
    .option('--pid <pid>', 'of the process, where several run the pipeline', positive)
    .addHelpText(
      'after',
      '\nThe pipeline does not wait for whoever watches: what comes faster is left out, and stderr says how much.' +
        '\nExit codes: 0 done, 1 nothing of that name runs here, or it ended before the events were there, 2 wrong usage.',
    )
    .action(async (named: string | undefined, flags: Flags, command: Command) => {
      process.exitCode = await tap(named, environmentOf(command), flags);
    });
}

async function tap(named: string | undefined, environment: string | null, flags: Flags): Promise<number> {
  const [{ followControl }, { pipelineName, theRunning }] = await Promise.all([
    import('../runtime/control.ts'),
    import('./running.ts'),
  ]);
  const name = await pipelineName(named, environment);
  const socket = await theRunning(name, flags.pid);
  const stopping = new AbortController();
  const stop = (): void => stopping.abort();
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  let counts: TapCounts = { seen: 0, shown: 0, dropped: 0 };
  try {
    const answer = await followControl(socket.path, `/tap?${queryOf(flags).toString()}`, stopping.signal);
    if (answer === null) throw new PipectlError('pipeline_not_running', `${name} has just ended`);
    if (!('lines' in answer)) throw refusal(answer.body);
    for await (const line of answer.lines) {
      if (line.startsWith('{"seen":')) counts = JSON.parse(line) as TapCounts;
      // Waiting here lets the pipeline see that nobody keeps up.
      else if (!process.stdout.write(`${line}\n`)) await drained(stopping.signal);
    }
  } catch (error) {
    if (!stopping.signal.aborted && !isBroken(error)) throw error;
  } finally {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  }
  const { seen, shown, dropped } = counts;
  const lost = dropped === 0 ? '' : `, ${formatCount(dropped)} dropped since they were not read in time`;
  process.stderr.write(`pipectl: ${formatCount(shown)} of ${formatCount(seen)} events${lost}\n`);
  const isShort = flags.count !== undefined && shown < flags.count && !stopping.signal.aborted;
  if (isShort) process.stderr.write(`pipectl: ${name} has ended\n`);
  return isShort ? exitCodes.failed : exitCodes.done;
}

function queryOf({ after, count, rate: perSecond, key, redact }: Flags): URLSearchParams {
  const query = new URLSearchParams({ after, rate: String(perSecond) });
  if (count !== undefined) query.set('limit', String(count));
  if (key !== undefined) query.set('key', key);
  for (const path of redact) query.append('redact', path);
  return query;
}

/** What the pipeline has said no to. */
function refusal(body: unknown): PipectlError {
  const { error, code, hint } = body as {
    readonly error: string;
    readonly code?: string | null;
    readonly hint?: string | null;
  };
  return new PipectlError(code ?? 'usage', error, { ...(hint ? { hint } : {}), exitCode: exitCodes.usage });
}

function drained(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    process.stdout.once('drain', resolve);
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** The pipeline has ended in the middle of its answer. */
const isBroken = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && ['ECONNRESET', 'ABORT_ERR', 'EPIPE'].includes(String(error.code));

function positive(text: string): number {
  if (!/^[1-9]\d{0,9}$/.test(text)) throw new InvalidArgumentError('expected a whole number from 1');
  return Number(text);
}

function rate(text: string): number {
  const value = Number(/^(\d+(?:\.\d+)?)(?:\/s)?$/.exec(text)?.[1]);
  if (!(value > 0 && value <= 1000))
    throw new InvalidArgumentError('expected events a second up to 1000, such as 10/s');
  return value;
}

const collected = (path: string, before: readonly string[]): readonly string[] => [...before, path];
