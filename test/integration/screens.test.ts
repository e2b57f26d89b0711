/**
 * With staged faults the view alone tells which partition is slow, which sink is down, why records are dead letters and what
 * to run: read off a real terminal. `PIPECTL_CAPTURE=1` keeps the screens in test/view/captured.
 */
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect } from 'vitest';
import { askControl, controlSockets, openControl } from '../../src/runtime/control.ts';
import type { DeadLetterSample } from '../../src/runtime/status.ts';
import { snapshotOf } from '../../src/view/json.ts';
import type { KeyState } from '../../src/view/ink/keys.ts';
import { stackAddress, uniqueName } from '../stack/shared.ts';
import { picture } from '../view/picture.tsx';
import { Bench, cli, eventually, type Message } from './pipeline.ts';
import { Terminal, terminalTest } from './terminal.ts';

const isKept = process.env['PIPECTL_CAPTURE'] === '1';
const captured = path.resolve(import.meta.dirname, '../view/captured');

let bench: Bench;
beforeAll(async () => {
  bench = await Bench.open({ brokers: stackAddress('kafka'), url: stackAddress('postgres') });
});
afterAll(() => bench[Symbol.asyncDispose]());

const partitions = 8;
const hot = 5;
const silent = { info() {}, warn() {}, error() {} };

/** A tenth of a second: most of it of a few keys, all in one partition; some of it broken in two ways. */
function batch(from: number): Message[] {
  return Array.from({ length: 730 }, (_, i): Message => {
    const id = from + i;
    const partition = i < 700 ? hot : [0, 1, 2, 3, 4, 6, 7][i % 7]!;
    const order = { id, customer: `c-${id % 90}`, status: id % 5 === 0 ? 'open' : 'paid', total: (id % 400) / 4 };
    const text = JSON.stringify(order);
    if (id % 397 === 1) return { partition, key: order.customer, value: text.slice(0, 42) };
    if (id % 613 === 2)
      return { partition, key: order.customer, value: JSON.stringify({ ...order, customer: undefined }) };
    return { partition, key: order.customer, value: text };
  });
}

/**
 * Stands between a pipeline and the view of it: from `freeze` on the view is shown what it was shown last, so that a screen and
 * what it was made of can be compared.
 */
class Mirror {
  #isFrozen = false;
  readonly #path: string;
  readonly #last = new Map<string, unknown>();

  constructor(socketPath: string) {
    this.#path = socketPath;
  }

  freeze(isFrozen: boolean): void {
    this.#isFrozen = isFrozen;
  }

  async answer(url: string): Promise<unknown> {
    const isKnown = (): boolean => this.#isFrozen && this.#last.has(url);
    if (!isKnown()) {
      const { body } = (await askControl(this.#path, 'GET', url))!;
      // What was asked for before it was frozen may come after that.
      if (!isKnown()) this.#last.set(url, body);
    }
    return this.#last.get(url);
  }
}

terminalTest(
  'the view alone tells which partition is slow, which sink is down, why records are dead, and what to run',
  { timeout: 240_000 },
  async () => {
    const topic = await bench.topic(partitions, isKept ? 'shop.orders.live.v1' : uniqueName('live'));
    const table = await bench.table('id bigint PRIMARY KEY, customer text NOT NULL, total numeric NOT NULL');
    // Every write waits for a disk, so to speak: less goes out than comes in.
    await bench.query(
      `CREATE FUNCTION ${table}_slow() RETURNS trigger LANGUAGE plpgsql AS
       'BEGIN IF NEW.id % 6 = 0 THEN PERFORM pg_sleep(0.001); END IF; RETURN NEW; END'`,
    );
    await bench.query(`CREATE TRIGGER slow BEFORE INSERT ON ${table} FOR EACH ROW EXECUTE FUNCTION ${table}_slow()`);
    const { path: file, name } = await bench.pipeline(
      {
        source: { kafka: { topic, buffer: '1MiB' } },
        steps: [
          { filter: 'event.status == "paid"', name: 'only-paid' },
          { map: { id: 'event.id', customer: 'event.customer', total: 'event.total' }, name: 'row' },
        ],
        sinks: [
          { postgres: { connection: 'serving', table, key: ['id'] } },
          {
            postgres: { url: 'postgres://report:planted-pass@127.0.0.1:1/none', table: 'x', key: ['id'] },
            name: 'reports',
            required: false,
          },
        ],
      },
      // Short: what is wrong must have room beside it.
      isKept ? 'orders-live' : uniqueName('o'),
    );
    const places = await Promise.all(['run', 'view'].map((each) => mkdtemp(path.join(bench.directory, each))));
    const [ownPlace, viewPlace] = places as [string, string];
    const services = { KAFKA_BROKERS: bench.brokers, PG_URL: bench.url };
    const atTerminal = (args: readonly string[], runtime: string): Promise<Terminal> =>
      Terminal.open([process.execPath, cli, ...args], {
        env: { ...services, XDG_RUNTIME_DIR: runtime },
        cwd: bench.directory,
      });
    const over = new AbortController();
    const feeding = (async () => {
      for (let n = 0; !over.signal.aborted; n += 730) {
        await bench.send(topic, batch(n));
        await delay(80);
      }
    })();
    try {
      await using running = await atTerminal(['run', path.basename(file)], ownPlace);
      const screenWhere = (terminal: Terminal, what: string, parts: readonly RegExp[]): Promise<string> =>
        eventually(
          what,
          async () => {
            const screen = await terminal.screen();
            for (const part of parts) expect(screen).toMatch(part);
            return screen;
          },
          { withinMs: 120_000 },
        );
      const whole = [
        // Which, for how long, and how fast; the worst first.
        isKept
          ? /! reports DOWN [3-9]\d s .*! p5 FALLING BEHIND \d+ s/
          : /^ \S+ +.*! reports DOWN \d+ s.* ! p5 FALLING BEHIND /,
        /PARTITIONS {2}lag [\d,]+ \(\+[\d,]+\/s\)/,
        /PART .*\n ! p5 .* \+[\d,]+ .* never {2}WARN hot: 9\d% of all\n/,
        /^ ! reports \(optional\) .* DOWN ECONNREFUSED, next in /m,
        /^ ! [0-9a-f]{8} .* decode +JSON ends too early/m,
        /^ ! [0-9a-f]{8} .* step:row +customer: event\.customer is missing/m,
        /EVENTS ─+ pipectl runbook sink-down ──/,
        /difference 0 {2}ok/,
      ];
      await screenWhere(running, 'the view of the pipeline shows it all', whole);

      const [socket] = await controlSockets(name, { XDG_RUNTIME_DIR: ownPlace });
      const mirror = new Mirror(socket!.path);
      await using _control = await opened(name, viewPlace, mirror);
      await using view = await atTerminal(['status', name], viewPlace);

      /** The screen is what the view makes of the status it was given, cell by cell. */
      const capture = async (
        what: string,
        parts: readonly RegExp[],
        keysOf: (screen: string) => Partial<KeyState>,
      ): Promise<string> => {
        const frozen = await eventually(
          what,
          async () => {
            mirror.freeze(false);
            await screenWhere(view, what, parts);
            mirror.freeze(true);
            const snapshot = snapshotOf(await mirror.answer('/status'))!;
            const keys = { attached: true, ...keysOf(await view.screen()) };
            const { selected } = keys;
            const sample =
              keys.focus === 'deadLetters'
                ? ((await mirror.answer(`/dead-letter?fingerprint=${selected}`)) as DeadLetterSample)
                : undefined;
            const drawn = picture(snapshot, { keys, ...(sample && { sample }) });
            // As a terminal shows it.
            const text = drawn.replaceAll(/ +$/gm, '');
            await eventually(
              'the screen stands still',
              async () => (await view.screen()).trimEnd() === text.trimEnd(),
              {
                withinMs: 3000,
              },
            );
            for (const part of parts) expect(text).toMatch(part);
            return { text, kept: { snapshot, keys, sample } };
          },
          { withinMs: 120_000 },
        );
        if (isKept) {
          await mkdir(captured, { recursive: true });
          const place = path.join(captured, what.replaceAll(' ', '-'));
          await writeFile(`${place}.json`, `${JSON.stringify(frozen.kept, null, 2)}\n`);
          await writeFile(`${place}.txt`, `${frozen.text.trimEnd()}\n`);
        }
        return frozen.text;
      };
      const command = (screen: string, of: RegExp): string => of.exec(screen)![0];

      await capture('staged faults', whole, () => ({}));

      await view.press('2', 'j', 'Enter');
      const partition = await capture(
        'slow partition',
        [/partition 5 of /, /WARN hot: 9\d% of all/, /few keys have most of them/, /pipectl runbook growing-lag/],
        () => ({ focus: 'partitions', selected: `${topic} ${hot}`, detail: true }),
      );
      expect(command(partition, /pipectl lag \S+ --watch/)).toBe(`pipectl lag ${path.basename(file)} --watch`);

      await view.press('Escape', '3', 'j', 'j', 'Enter');
      await capture('sink down', [/sink reports/, /DOWN since/, /ECONNREFUSED/, /pipectl runbook sink-down/], () => ({
        focus: 'sinks',
        selected: 'reports',
        detail: true,
      }));

      await view.press('Escape', '4', 'j', 'Enter');
      const letter = await capture(
        'dead letter',
        [
          /dead letters [0-9a-f]{8}/,
          /remedy /,
          /record .* p\d offset \d+/,
          /pipectl dlq replay /,
          /pipectl runbook schema-incompatibility/,
        ],
        (screen) => ({ focus: 'deadLetters', selected: /dead letters ([0-9a-f]{8})/.exec(screen)![1]!, detail: true }),
      );
      // What it says to run can be run.
      const inspect = command(letter, /(?<=pipectl )dlq inspect \S+ --fingerprint [0-9a-f]{8}/);
      const inspected = await bench.run(inspect.replace(path.basename(file), file).split(' '));
      expect(inspected).toMatchObject({ code: 0, stdout: expect.stringContaining('JSON ends too early') as string });

      for (const terminal of [running, view]) expect(await terminal.screen()).not.toContain('planted-pass');
      over.abort();
      await feeding;
      await running.press('C-c');
      await eventually('it has drained and ended', () => running.hasEnded(), { withinMs: 40_000 });
    } finally {
      over.abort();
      await feeding;
      await bench.query(`DROP FUNCTION ${table}_slow() CASCADE`);
      // The next one that is kept has the same names.
      await bench.query('DELETE FROM pipectl.positions WHERE pipeline = $1', [name]);
    }
  },
);

/** Answers for the pipeline at another place. */
async function opened(name: string, place: string, mirror: Mirror): Promise<AsyncDisposable> {
  const control = await openControl(
    name,
    {
      'GET /status': () => mirror.answer('/status'),
      'GET /dead-letter': (_, query) => mirror.answer(`/dead-letter?${query.toString()}`),
    },
    { env: { XDG_RUNTIME_DIR: place }, log: silent },
  );
  return { [Symbol.asyncDispose]: () => control.close() };
}
