import chalk from 'chalk';
import { afterEach, describe, expect, test } from 'vitest';
import type { StatusSnapshot } from '../../../src/runtime/status.ts';
import type { KeyState } from '../../../src/view/ink/keys.ts';
import type { Panel } from '../../../src/view/ink/layout.ts';
import { displayWidth } from '../../../src/view/text.ts';
import {
  draining,
  healthy,
  manyPartitions,
  partition,
  rebalancing,
  sampleRecord,
  sink,
  starting,
  troubled,
} from '../fixtures.ts';
import { picture, type Setting } from '../picture.tsx';

const colourLevel = chalk.level;
afterEach(() => {
  chalk.level = colourLevel;
});

const opened = (focus: Panel, selected: string): Partial<KeyState> => ({ focus, selected, detail: true });
const DEAD_LETTER = opened('deadLetters', 'a3f9');
const FILTERED: Partial<KeyState> = {
  focus: 'partitions',
  filter: 'orders-b',
  sortings: { partitions: { by: 5, reversed: true } },
};

const sample = sampleRecord;

describe('pictures', () => {
  test.each<[string, StatusSnapshot, Setting]>([
    ['healthy-100x30', healthy, {}],
    ['troubled-100x30', troubled, {}],
    ['starting-100x30', starting, {}],
    ['rebalancing-100x30', rebalancing, {}],
    ['draining-100x30', draining, { keys: { stopping: true } }],
    ['troubled-80x24', troubled, { columns: 80, rows: 24 }],
    ['troubled-60x24', troubled, { columns: 60, rows: 24 }],
    ['troubled-160x50', troubled, { columns: 160, rows: 50 }],
    ['many-partitions-100x30', manyPartitions, {}],
    [
      'many-partitions-focus-100x30',
      manyPartitions,
      { keys: { focus: 'partitions', selected: 'shop.orders.placed.v1 59' } },
    ],
    ['troubled-ascii-100x30', troubled, { unicode: false }],
    ['partitions-sorted-filtered-100x30', troubled, { keys: FILTERED }],
    ['dead-letter-100x30', troubled, { keys: DEAD_LETTER, sample }],
    ['dead-letter-80x24', troubled, { columns: 80, rows: 24, keys: DEAD_LETTER, sample }],
    ['partition-100x30', troubled, { keys: opened('partitions', 'shop.orders.placed.v1 5') }],
    ['sink-100x30', troubled, { keys: opened('sinks', 'redis') }],
    ['attached-100x30', troubled, { keys: { attached: true }, note: 'NO ANSWER 12 s' }],
    ['quit-80x24', healthy, { columns: 80, rows: 24, keys: { asking: true } }],
    ['help-80x24', healthy, { columns: 80, rows: 24, keys: { help: true } }],
  ])('%s', async (name, snapshot, setting) => {
    await expect(`${picture(snapshot, setting)}\n`).toMatchFileSnapshot(`../pictures/${name}.txt`);
  });
});

describe('the screen', () => {
  test('is exactly as high as the terminal and never wider, whatever its size', () => {
    // Each width, each height and each snapshot, but not each with each: a picture takes a while to draw.
    const snapshots = [troubled, manyPartitions, healthy, starting];
    const heights = [24, 30, 3, 70, 12, 8];
    for (const [at, columns] of [20, 40, 60, 79, 80, 91, 92, 100, 200].entries()) {
      for (const [snapshot, rows] of [
        [snapshots[at % 4]!, heights[at % 6]!],
        [snapshots[(at + 1) % 4]!, heights[(at + 3) % 6]!],
      ] as const) {
        const keys = at % 3 === 0 ? DEAD_LETTER : {};
        const lines = picture(snapshot, { columns, rows, keys, sample }).split('\n');
        expect(lines).toHaveLength(rows);
        expect(Math.max(...lines.map(displayWidth))).toBeLessThanOrEqual(columns);
      }
    }
  });

  test('says the worst cause in its first line at any width', () => {
    for (const columns of [60, 80, 100, 200]) {
      expect(picture(troubled, { columns }).split('\n')[0]).toContain('! redis DOWN 3m16s');
    }
  });

  test('tells more causes instead of for how long it has run, and nothing less where there is room for both', () => {
    const late = { ...troubled, deadLetters: healthy.deadLetters };
    expect(picture(late, { columns: 100 }).split('\n')[0]).toMatch(/ RUNNING 6d 04:12 {3}! redis DOWN 3m16s {3}! p5 /);
    expect(picture(late, { columns: 88 }).split('\n')[0]).toMatch(/ RUNNING {3}! redis DOWN 3m16s {3}! p5 /);
    expect(picture(healthy, { columns: 60 }).split('\n')[0]).toContain(' RUNNING 6d 04:12');
  });

  test('marks the sink that takes less than what comes in, though it answers', () => {
    const sinks = [sink('postgres', { behindRows: 6_379 }), sink('clickhouse', { behindRows: 12 })];
    const held = picture({ ...healthy, state: 'back-pressured', sinks });
    expect(held).toMatch(/^ ! postgres .* 6,379 {3}SLOW$/m);
    expect(held).toMatch(/^ {3}clickhouse .* 12 {3}OK$/m);
    expect(picture({ ...healthy, sinks })).not.toContain('SLOW');
    const detail = picture({ ...healthy, state: 'back-pressured', sinks }, { keys: opened('sinks', 'postgres') });
    expect(detail).toContain('OK, but SLOW: less goes out than comes in');
    expect(detail).toContain('pipectl runbook growing-lag');
  });

  test('drops the owner at 80 columns and keeps lag, seconds behind and verdict', () => {
    const wide = picture(troubled);
    const narrow = picture(troubled, { columns: 80, rows: 24 });
    expect(wide).toContain('OWNER');
    expect(narrow).not.toContain('OWNER');
    expect(narrow).toMatch(/! p5 +48,210 +\+340 +15 s +2,890 +never +WARN hot/);
  });

  test('shows partitions beyond the room in one line, with their sum, and the worst before them', () => {
    const lines = picture(manyPartitions).split('\n');
    const first = lines.findIndex((line) => line.includes('PART  OWNER'));
    expect(lines[first + 1]).toMatch(/^ ! p117 .* STALL/);
    expect(lines.filter((line) => line.includes('WARN never fell'))).toHaveLength(3);
    expect(lines.some((line) => / {3}\+194 +3 owners +12,222 /.test(line))).toBe(true);
  });

  test('says of partitions summed up how many are wrong, and never that they catch up when one does not', () => {
    const partitions = Array.from({ length: 9 }, (_, number) =>
      partition(number, { verdict: 'WARN', lag: 900 - number, catchUpMs: number === 7 ? null : 5_000 }),
    );
    expect(picture({ ...healthy, partitions }, { rows: 24 })).toMatch(/ ! \+\d .* never +WARN \d of \d: p\d/);
  });

  test('puts sinks that are wrong before the others when not all fit', () => {
    const sinks = [
      ...Array.from({ length: 20 }, (_, number) => sink(`store-${number}`)),
      sink('late', { state: 'DOWN', note: 'ETIMEDOUT' }),
    ];
    expect(picture({ ...healthy, sinks }, { rows: 24 })).toMatch(/ ! late .* DOWN ETIMEDOUT/);
  });

  test('tells what became of the letters of the queue, and where that is not known how many were made here', () => {
    const titleOf = (letters: StatusSnapshot['deadLetters']['letters'], columns = 110) =>
      picture({ ...troubled, deadLetters: { ...troubled.deadLetters, letters } }, { columns })
        .split('\n')
        .find((line) => line.includes('DEAD LETTERS'))!;
    const letters = { open: 0, replayed: 4, resolved: 0, quarantined: 2, uncounted: 0, openChangePerSecond: -0.5 };
    expect(titleOf(letters)).toContain('DEAD LETTERS  open 0 (-30/m), replayed 4, quarantined 2 ');
    expect(titleOf({ ...letters, open: 1e6, uncounted: 7 }, 70)).toContain('DEAD LETTERS  open 1,000,000+ (-30/m) ─');
    expect(titleOf(null)).toContain('DEAD LETTERS  1,317 (+2.0/s) ─');
    expect(titleOf(null)).not.toContain('open');
  });

  test('says of a cause what became of its letters', () => {
    const detail = picture(troubled, { keys: opened('deadLetters', '0be2') });
    expect(detail).toMatch(/letters +open 17, replayed 493, resolved 32\n/);
    expect(picture(troubled, { keys: opened('deadLetters', '77c1') })).not.toContain('letters      ');
  });

  test('marks records that are unaccounted for', () => {
    const lost = picture({ ...healthy, account: { ...healthy.account, difference: 3 } });
    expect(lost).toMatch(/ ! account /);
    expect(lost).toMatch(/! difference 3/);
  });

  test('writes no escape sequence without colour, and colours what is wrong with it', () => {
    chalk.level = 1;
    expect(picture(troubled, { colour: false })).not.toContain('\u001b');
    expect(picture(troubled, { colour: true })).toContain('\u001b[31m');
  });

  test('is pure ASCII where Unicode is not safe, also in what came from data', () => {
    const topic = 'bestellungen-für-東京';
    const ascii = picture(
      { ...troubled, source: topic, partitions: [partition(1, { topic }), partition(1)] },
      { unicode: false },
    );
    expect(ascii).toMatch(/^[\n -~]+$/);
  });

  test('lets no control sequence of the data through', () => {
    const hostile = '\u001b[2J\u001b]0;owned\u0007\u009b31mx\nfirst\u202e';
    const lines = picture({
      ...troubled,
      pipeline: hostile,
      source: hostile,
      partitions: [partition(1, { note: hostile, owner: hostile })],
      deadLetters: {
        ...troubled.deadLetters,
        causes: troubled.deadLetters.causes.map((cause) => ({ ...cause, message: hostile })),
      },
      events: [{ atMs: healthy.atMs, level: 'warn', code: hostile, message: hostile }],
    }).split('\n');
    expect(lines).toHaveLength(30);
    expect(lines.join('')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  });

  test('keeps its columns with wide characters', () => {
    const lines = picture({ ...healthy, partitions: [partition(1, { owner: '東京サーバー' }), partition(2)] }).split(
      '\n',
    );
    const [wide, plain] = lines.filter((line) => / p[12] /.test(line));
    expect(displayWidth(wide?.split('1,538')[0] ?? '')).toBe(displayWidth(plain?.split('1,538')[0] ?? ''));
  });
});
