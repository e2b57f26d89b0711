import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { parseDuration } from '../declaration/units.ts';
import { exitCodes } from '../errors.ts';

interface QuickstartOptions {
  readonly for?: number;
}

const ratePerSecond = 200;
const terminalMs = 30_000;
const otherMs = 5_000;

/** `pipectl quickstart`: a pipeline that runs at once, from made-up events into a file, without any service. */
export function registerQuickstart(program: Command): void {
  program
    .command('quickstart')
    .description('Shows a pipeline at work within seconds: made-up orders into a file. Needs nothing else.')
    .option('--for <duration>', 'how long; default: 30s at a terminal, else 5s', forMs)
    .action(async (_: unknown, command: Command) => {
      const { for: givenMs } = command.opts<QuickstartOptions>();
      process.exitCode = await quickstart(program, givenMs);
    });
}

async function quickstart(program: Command, givenMs: number | undefined): Promise<number> {
  const isTerminal = process.stdin.isTTY && process.stdout.isTTY;
  const elapsedMs = givenMs ?? (isTerminal ? terminalMs : otherMs);
  const text = pipelineText(Math.max(1, Math.round((elapsedMs * ratePerSecond) / 1000)));
  const directory = await mkdtemp(join(tmpdir(), 'pipectl-quickstart-'));
  try {
    const file = join(directory, 'orders.yaml');
    await writeFile(file, text);
    say(`This is the pipeline. It runs for ${elapsedMs / 1000} s${isTerminal ? ', or until you press q' : ''}.\n`);
    say(text.replace(/^(?=.)/gm, '  '));
    if (isTerminal) await readingTime();
    const { registerRun } = await import('./run.ts');
    const run = program.createCommand('quickstart').exitOverride();
    registerRun(run);
    await run.parseAsync(['run', file], { from: 'user' });
    if (Number(process.exitCode ?? exitCodes.done) !== exitCodes.done) return Number(process.exitCode);
    await tellResult(join(directory, 'rows.ndjson'), join(directory, 'orders.dlq.ndjson'));
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
  say(`
What to try next
  pipectl init                               this kind of pipeline as a file of your own, with its test
  pipectl init --list                        others: files, Kafka, PostgreSQL
  pipectl init --from kafka --topic T        one for your own topic: it looks at what is there
  pipectl eval 'round(12.5 * 3)'             try an expression; without one, a prompt
  pipectl validate, test, explain FILE       check it, test it, see what it will do`);
  return exitCodes.done;
}

/** Time to read the file before the view takes the screen. */
const readingTime = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 3000));

async function tellResult(rows: string, deadLetters: string): Promise<void> {
  const lines = linesOf(await readFile(rows, 'utf8').catch(() => ''));
  say(`\n${lines.length.toLocaleString('en')} rows were written, the last of them:`);
  for (const line of lines.slice(-3)) say(`  ${line}`);
  const dead = linesOf(await readFile(deadLetters, 'utf8').catch(() => ''));
  say(`${dead.length} orders were broken on purpose. They are dead letters, each with its reason; no other was lost.`);
}

const linesOf = (text: string): string[] => text.split('\n').filter((line) => line !== '');

function pipelineText(count: number): string {
  return `name: orders

source:
  generate:                          # made-up events; for real ones: kafka: { topic: shop.orders }
    rate: ${ratePerSecond}/s
    count: ${count}
    broken_ratio: 0.005              # a few are broken
    event:
      id: sequence
      status: { choice: { paid: 8, open: 1, cancelled: 1 } }
      customer: { object: { name: name, country: country } }
      lines:
        list: { of: { object: { product: product, qty: { int: { min: 1, max: 3 } }, cents: { int: { max: 9999 } } } } }

steps:
  - filter: event.status == "paid"
  - explode: event.lines             # one event for each line of the order
  - map:
      order_id: event.id
      line: event.index
      product: upper(event.item.product)
      total_cents: event.item.qty * event.item.cents
      country: event.customer.country

sinks:
  - file: { path: rows.ndjson }      # for a table: postgres: { url: ..., table: lines, key: [order_id, line] }
`;
}

function forMs(text: string): number {
  const ms = parseDuration(text);
  if (ms === undefined || ms < 100 || ms > 3_600_000)
    throw new InvalidArgumentError('expected a duration such as 10s, up to 1h');
  return ms;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
