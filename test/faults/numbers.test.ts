/**
 * What the screen, `/metrics`, `--json`, `lag`, `dlq` and the databases say is the same, while faults happen and afterwards.
 * A PostgreSQL of this file's own: it is stopped.
 */
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { snapshotOf } from '../../src/view/json.ts';
import type { StatusSnapshot } from '../../src/runtime/status.ts';
import { type Counters, countersIn, countersOf, gaugesOf, outside, shownOn, wordsOf } from '../integration/numbers.ts';
import { Bench, cli, eventually, header, sum } from '../integration/pipeline.ts';
import { Terminal } from '../integration/terminal.ts';
import { parsePrometheus } from '../runtime/prometheus-text.ts';
import { freePort } from '../stack/loopback.ts';
import { stackAddress } from '../stack/shared.ts';
import { type Stack, startStack } from '../stack/stack.ts';
import { type Fault, faultTest } from './fault.ts';
import { isRefused, isUnreadable, Load, orderOf, partitions } from './load.ts';

let stack: Stack<'postgres'>;
let bench: Bench;
beforeAll(async () => {
  stack = await startStack({ services: ['postgres'], print: () => {} });
  bench = await Bench.open({ brokers: stackAddress('kafka'), url: stack.postgres.url });
});
afterEach(() => bench.expectNoSecrets());
afterAll(async () => {
  await bench[Symbol.asyncDispose]();
  await stack.stop();
});

const size = { columns: 110, rows: 50 };

/** A process that runs the pipeline, and the places where it shows its numbers. */
class Watched {
  readonly pid: number;
  readonly #load: Load;
  readonly #port: number;
  readonly #terminal: Terminal;
  #before: Counters = new Map();

  constructor(load: Load, pid: number, port: number, terminal: Terminal) {
    this.#load = load;
    this.pid = pid;
    this.#port = port;
    this.#terminal = terminal;
  }

  async status(): Promise<StatusSnapshot> {
    const { code, stdout, stderr } = await bench.run([
      'status',
      this.#load.file.name,
      '--pid',
      `${this.pid}`,
      '--json',
    ]);
    if (code !== 0) throw new Error(`status of ${this.pid}: ${stderr}`);
    return snapshotOf(JSON.parse(stdout))!;
  }

  async metrics() {
    const text = await (await fetch(`http://127.0.0.1:${this.#port}/metrics`)).text();
    return parsePrometheus(text);
  }

  async shown() {
    const screen = await this.#terminal.screen();
    expect(screen).not.toContain(new URL(bench.url).password);
    return shownOn(screen);
  }

  /** While records flow: what is read in between lies between what was before and after, and every account adds up. */
  async expectInStep(): Promise<void> {
    const before = countersIn(await this.status());
    const families = await this.metrics();
    const after = await this.status();
    expect(outside(before, countersOf(families), countersIn(after))).toEqual([]);
    expect(gaugesOf(families).discrepancies).toEqual([]);
    expect(after.account.difference).toBe(0);
    const shown = await this.shown();
    if (shown !== null) {
      const { read, pending = 0, ...rest } = shown.account;
      const { filtered, delivered, dead = 0, difference } = rest;
      expect({ difference, read }).toEqual({ difference: 0, read: filtered! + delivered! + dead + pending });
      // A picture may be older than the status before it, and not older than what was seen a look ago.
      const [least, most] = [this.#before.get('read') ?? 0, countersIn(await this.status()).get('read')!];
      expect(read! - pending).toBeGreaterThanOrEqual(least);
      expect(read! - pending).toBeLessThanOrEqual(most);
    }
    this.#before = before;
  }

  /** At rest all are the same. */
  async expectEqual(): Promise<StatusSnapshot> {
    return eventually('its numbers are the same everywhere', async () => {
      const status = await this.status();
      const families = await this.metrics();
      const { discrepancies, ...gauges } = gaugesOf(families);
      expect(discrepancies).toEqual([]);
      expect(Object.fromEntries(countersOf(families))).toEqual(Object.fromEntries(countersIn(status)));
      const of = (pick: (one: StatusSnapshot['partitions'][number]) => number | null) =>
        Object.fromEntries(status.partitions.map((one) => [`${one.partition}`, pick(one)]));
      expect(gauges).toEqual({ lag: of(({ lag }) => lag), end: of(({ end }) => end) });
      expect(await this.shown()).toEqual(wordsOf(status));
      return status;
    });
  }
}

/** The offset from which on a sink has not written, by partition: the lowest of both sinks. */
async function positionsOf(load: Load): Promise<number[]> {
  const [latest, all] = [await bench.positions(load.file.name, 'latest'), await bench.positions(load.file.name, 'all')];
  return latest.map((position, partition) => Math.min(position, all[partition]!));
}

/** Resolves when no transaction is open any more that a process may have left behind which was killed before `sinceIso`. */
async function settled(load: Load, since: unknown): Promise<void> {
  const sql = 'SELECT count(*)::int FROM pg_stat_activity WHERE application_name LIKE $1 AND xact_start <= $2';
  await eventually('its transactions are over', async () => {
    const [[open]] = (await bench.query(sql, [`pipectl/${load.file.name}/%`, since])) as [[number]];
    return open === 0;
  });
}

async function terminate(fault: Fault, load: Load, running: Parameters<Fault['recovers']>[1]): Promise<void> {
  const goesOn = await load.goesOn();
  const sql = 'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE $1';
  fault.fired((await bench.query(sql, [`pipectl/${load.file.name}/%`])).length);
  await fault.recovers(goesOn, running);
}

faultTest(
  'numbers are compared while connections are terminated, PostgreSQL stops at once and one of two members is killed -9',
  300_000,
  async (fault) => {
    await using load = await Load.open(bench, { source: { session_timeout: '3s' }, sink: { lock_timeout: '500ms' } });
    const env = { KAFKA_BROKERS: bench.brokers, PG_URL: bench.url };
    const atTerminal = (args: readonly string[]): Promise<Terminal> =>
      Terminal.open([process.execPath, cli, ...args], { ...size, env, cwd: bench.directory });
    /** A member that writes JSON lines, and the view of it from outside. */
    const started = async () => {
      const port = await freePort();
      const child = load.start({}, ['--metrics', `${port}`]);
      await eventually(
        'it can be asked',
        async () => (await bench.run(['status', load.file.name, '--pid', `${child.pid}`])).code === 0,
        { running: [child] },
      );
      const terminal = await atTerminal(['status', load.file.name, '--pid', `${child.pid}`]);
      return { child, terminal, watched: new Watched(load, child.pid, port, terminal) };
    };
    const bothOwn = (...members: readonly Watched[]): Promise<StatusSnapshot[]> =>
      eventually(
        'both have two partitions',
        async () => {
          const all = await Promise.all(members.map((member) => member.status()));
          return all.every((status) => status.ready && status.partitions.length === partitions / 2) && all;
        },
        { withinMs: 60_000 },
      );

    const port = await freePort();
    await using terminal = await atTerminal(['run', load.file.path, '--metrics', `${port}`]);
    const lasting = new Watched(load, terminal.pid, port, terminal);
    load.keepProducing();
    await load.runs([]);
    const victim = await started();
    await using _first = victim.terminal;
    await bothOwn(lasting, victim.watched);

    const look = async (...members: readonly Watched[]): Promise<void> => {
      for (const member of members) await member.expectInStep();
    };
    for (let round = 0; round < 5; round++) {
      await terminate(fault, load, [victim.child]);
      await look(lasting, victim.watched);
    }
    await stack.postgres.stop('immediate');
    fault.fired();
    // What is counted while nothing can be written.
    await look(lasting, victim.watched);
    await stack.postgres.start();
    await fault.recovers(await load.goesOn(), [victim.child]);
    await look(lasting, victim.watched);

    const [, lastOfVictim] = await bothOwn(lasting, victim.watched);
    victim.child.kill('SIGKILL');
    await victim.child.ended;
    fault.fired();
    const [[killedAt]] = (await bench.query('SELECT clock_timestamp()')) as [[unknown]];
    await settled(load, killedAt);
    // Nobody else has its partitions before its session is over.
    const leftBehind = await positionsOf(load);
    const goesOn = await load.goesOn();
    await fault.recovers(goesOn, []);
    await look(lasting);
    await eventually(
      'the other one has all partitions',
      async () => (await lasting.status()).partitions.length === partitions,
      { withinMs: 60_000 },
    );
    // One sink has what the other one waits to write when half of the partitions go to another member: it is refused then, undone
    // and read again.
    const lock = await bench.lock(load.all);
    await eventually('one sink is ahead of the other one', async () => {
      const { name } = load.file;
      return (await bench.progress(name, 'latest')) > (await bench.progress(name, 'all'));
    });
    const heir = await started();
    await using _second = heir.terminal;
    await eventually(
      'the new one has its partitions',
      async () => (await heir.watched.status()).partitions.length === partitions / 2,
      { running: [heir.child], withinMs: 60_000 },
    );
    await look(lasting, heir.watched);
    const goesOnAfter = await load.goesOn();
    await lock.release();
    fault.fired();
    await fault.recovers(goesOnAfter, [heir.child]);
    await bothOwn(lasting, heir.watched);
    await stack.postgres.stop('immediate');
    fault.fired();
    await stack.postgres.start();
    await fault.recovers(await load.goesOn(), [heir.child]);
    await look(lasting, heir.watched);
    fault.holds('screen, metrics and status in step under load');

    await load.stopProducing();
    const log = await bench.read(load.topic);
    await load.everythingWritten(log.length, [heir.child]);
    const living = await Promise.all([lasting, heir.watched].map((member) => member.expectEqual()));
    fault.holds('the same at rest');

    // The positions, in the databases and in Kafka.
    const ends = await bench.ends(load.topic);
    const own = living.flatMap((status) => status.partitions).toSorted((a, b) => a.partition - b.partition);
    expect(own.map(({ position, end, lag }) => [position, end, lag])).toEqual(ends.map((end) => [end, end, 0]));
    expect(await positionsOf(load)).toEqual(ends);
    await eventually('`lag` says so', async () => {
      const { stdout } = await bench.run(['lag', load.file.path, '--json', '--interval', '100ms']);
      const lag = JSON.parse(stdout) as {
        lag: number;
        members: number;
        partitions: { committed: string; end: string; verdict: string }[];
      };
      expect(lag).toMatchObject({ lag: 0, members: 2 });
      expect(lag.partitions.map(({ committed, end, verdict }) => [committed, end, verdict])).toEqual(
        ends.map((end) => [`${end}`, `${end}`, 'OK']),
      );
      return true;
    });
    for (const { members } of living) expect(members).toBe(2);

    // Every record was read once by somebody; what the victim wrote after it was last asked, its positions tell.
    const last = lastOfVictim!;
    const unseen = log.filter(({ partition, offset }) => {
      const former = last.partitions.find((one) => one.partition === partition);
      return former !== undefined && offset >= former.position && offset < leftBehind[partition]!;
    });
    const all = [...living, last];
    const total = (pick: (status: StatusSnapshot) => number): number => sum(all.map(pick));
    expect(total(({ account }) => account.read - account.pending) + unseen.length).toBe(log.length);
    const numbers = (records: typeof log) => records.map((record) => orderOf(record));
    const unreadable = (records: typeof log): number => numbers(records).filter(({ n }) => isUnreadable(n)).length;
    const paid = (records: typeof log) =>
      numbers(records).filter(({ n, status }) => status === 'paid' && !isUnreadable(n));
    expect(total(({ account }) => account.dead) + unreadable(unseen)).toBe(unreadable(log));
    expect(total(({ account }) => account.delivered) + paid(unseen).length).toBe(paid(log).length);

    // Rows: what was written before an epoch was undone is skipped by whoever reads it again.
    const refused = paid(log).filter(({ n }) => isRefused(n)).length;
    const [[rows]] = (await bench.query(`SELECT count(*)::int FROM ${load.all}`)) as [[number]];
    const skipped = ({ sinks }: StatusSnapshot): number => sum(sinks.map(({ skippedOffset }) => skippedOffset));
    expect(total(skipped), 'rows of an epoch that was undone').toBeGreaterThan(0);
    const append = ({ sinks }: StatusSnapshot) => sinks.find(({ name }) => name === 'all')!;
    const written = total((status) => append(status).written);
    const offered = total((status) => append(status).offered);
    expect(offered + paid(unseen).length).toBe(rows + refused);
    expect(written).toBeLessThanOrEqual(rows);
    expect(written + total((status) => append(status).skippedOffset) + paid(unseen).length).toBeGreaterThanOrEqual(
      rows,
    );
    fault.holds('sums over restarts = positions, rows');

    // Dead letters: each once by its id, however often it was written.
    const letters = await bench.read(load.file.dlq);
    const ids = new Set(letters.map((letter) => header(letter, 'pipectl-dlq-id')));
    expect(ids.size).toBe(unreadable(log) + refused);
    const asked = async (command: string) =>
      JSON.parse((await bench.run(['dlq', command, load.file.path, '--json'])).stdout) as {
        total: number;
        open?: number;
        causes: { count: number; open: number }[];
      };
    expect(await asked('stats')).toMatchObject({ total: ids.size, open: ids.size });
    const members = [lasting, heir.watched];
    await eventually('each member counts them, and one tells it', async () => {
      for (const member of members)
        expect((await member.status()).deadLetters.letters).toMatchObject({ open: ids.size, replayed: 0, resolved: 0 });
      const told = (await Promise.all(members.map((member) => member.metrics()))).flatMap(
        (families) => families.get('pipectl_dlq_open_records')?.samples ?? [],
      );
      expect(told.map(({ value }) => value)).toEqual([ids.size]);
      return true;
    });
    await Promise.all(members.map((member) => member.expectEqual()));
    const { causes, total: listed } = await asked('ls');
    expect([listed, sum(causes.map(({ count }) => count))]).toEqual([ids.size, ids.size]);
    const byMember = ({ deadLetters }: StatusSnapshot): number => sum(deadLetters.byCode.map(({ count }) => count));
    for (const { deadLetters } of living) {
      const ofCauses = sum(deadLetters.causes.map(({ count }) => count));
      const ofCodes = sum(deadLetters.byCode.map(({ count }) => count));
      expect([ofCauses, ofCodes]).toEqual([deadLetters.total, deadLetters.total]);
    }
    expect(letters.length - sum(living.map(byMember))).toBeGreaterThanOrEqual(byMember(last));
    fault.holds('dead letters = stats, ls, causes');

    // The JSON lines: they only rise, and the last one says what the screen says.
    for (const { child, at } of [
      { child: victim.child, at: null },
      { child: heir.child, at: living[1]! },
    ]) {
      const lines = () =>
        child.stdout.split('\n').flatMap((line) => (line.endsWith('}') ? [snapshotOf(JSON.parse(line))!] : []));
      for (const [i, line] of lines().entries()) {
        const former = lines()[i - 1];
        if (former !== undefined) expect(outside(countersIn(former), countersIn(line), new Map())).toEqual([]);
        expect(line.account.difference).toBe(0);
      }
      if (at !== null)
        await eventually('the last line says the same', () => {
          expect(Object.fromEntries(countersIn(lines().at(-1)!))).toEqual(Object.fromEntries(countersIn(at)));
          return true;
        });
    }
    fault.holds('JSON lines only rise');

    expect(await heir.child.drain()).toEqual({ code: 0, signal: null });
    await terminal.press('C-c');
    await eventually('the one at the terminal has ended', () => terminal.hasEnded());
    await load.expectTables(fault, log);
  },
);
