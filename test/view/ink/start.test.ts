import { PassThrough } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import { afterEach, expect, test, vi } from 'vitest';
import type { StatusSnapshot } from '../../../src/runtime/status.ts';
import { startInkView, type InkView, type InkViewOptions } from '../../../src/view/ink/start.tsx';
import { healthy, sampleRecord, troubled } from '../fixtures.ts';

const ENTER_SCREEN = '\u001b[?1049h';
const LEAVE_SCREEN = '\u001b[?1049l';

class FakeStdin extends PassThrough {
  readonly isTTY = true;
  isRaw = false;
  setRawMode(isRaw: boolean): this {
    this.isRaw = isRaw;
    return this;
  }
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }
}

class FakeTerminal extends PassThrough {
  readonly isTTY = true;
  columns = 100;
  rows = 30;
  written = '';
  constructor() {
    super({ encoding: 'utf8', highWaterMark: 8_192 });
    this.on('data', (text: string) => {
      this.written += text;
    });
  }
  /** What was written since `from`, as text. */
  text(from = 0): string {
    return stripVTControlCharacters(this.written.slice(from));
  }
}

const opened: InkView[] = [];
afterEach(async () => {
  vi.useRealTimers();
  for (const view of opened.splice(0)) await view.close();
});

function open(snapshots: () => StatusSnapshot = () => healthy, more: Partial<InkViewOptions> = {}) {
  const stdin = new FakeStdin();
  const stdout = new FakeTerminal();
  const stderr = new FakeTerminal();
  const onStop = vi.fn<() => void>();
  const onForce = vi.fn<() => void>();
  const view = startInkView({
    snapshots,
    onStop,
    onForce,
    stdin,
    stdout,
    stderr,
    terminal: { unicode: true, colour: false },
    frameMs: 10,
    ...more,
  });
  opened.push(view);
  return { view, stdin, stdout, stderr, onStop, onForce };
}

test('the picture stands on the alternate screen, and close gives the screen and the keyboard back', async () => {
  const { view, stdin, stdout, stderr } = open();
  await vi.waitFor(() => expect(stdout.text()).toContain('RUNNING 6d 04:12'));
  expect(stdout.written).toContain(ENTER_SCREEN);
  expect(stdin.isRaw).toBe(true);
  await view.close();
  expect(stdout.written.endsWith(`${LEAVE_SCREEN}\u001b[?25h`)).toBe(true);
  await vi.waitFor(() => expect(stdin.isRaw).toBe(false));
  await vi.waitFor(() => expect(stderr.text()).toContain('account: read 6,482,119,034'));
});

test('the picture follows the snapshots', async () => {
  let snapshot = healthy;
  const { stdout } = open(() => snapshot);
  snapshot = troubled;
  await vi.waitFor(() => expect(stdout.text()).toContain('! redis DOWN 3m16s'));
});

test('q asks, Esc stays, s stops', async () => {
  const { stdin, stdout, onStop } = open();
  await vi.waitFor(() => expect(stdin.isRaw).toBe(true));
  stdin.write('q');
  await vi.waitFor(() => expect(stdout.text()).toContain('Quit?'));
  const asked = stdout.written.length;
  stdin.write('\u001b');
  await vi.waitFor(() => expect(stdout.text(asked)).toContain('q quit'));
  stdin.write('s');
  stdin.write('q');
  await vi.waitFor(() => expect(stdout.text(asked)).toContain('Quit?'));
  expect(onStop).not.toHaveBeenCalled();
  stdin.write('s');
  await vi.waitFor(() => expect(onStop).toHaveBeenCalledTimes(1));
});

test('v leaves: the screen is restored and the pipeline was not asked to stop', async () => {
  const { view, stdin, stdout, onStop } = open();
  await vi.waitFor(() => expect(stdin.isRaw).toBe(true));
  stdin.write('q');
  await vi.waitFor(() => expect(stdout.text()).toContain('Quit?'));
  stdin.write('v');
  await expect(view.closedByUser).resolves.toBe('leave');
  expect(stdout.written).toContain(LEAVE_SCREEN);
  expect(onStop).not.toHaveBeenCalled();
});

test('Ctrl-C stops, the second one forces', async () => {
  const { stdin, onStop, onForce } = open();
  await vi.waitFor(() => expect(stdin.isRaw).toBe(true));
  stdin.write('\u0003');
  await vi.waitFor(() => expect(onStop).toHaveBeenCalledTimes(1));
  expect(onForce).not.toHaveBeenCalled();
  stdin.write('\u0003');
  await vi.waitFor(() => expect(onForce).toHaveBeenCalledTimes(1));
  expect(onStop).toHaveBeenCalledTimes(1);
});

test('p holds the picture still while the pipeline goes on', async () => {
  let snapshot = healthy;
  const { stdin, stdout } = open(() => snapshot);
  await vi.waitFor(() => expect(stdin.isRaw).toBe(true));
  stdin.write('p');
  await vi.waitFor(() => expect(stdout.text()).toContain('PAUSED'));
  const paused = stdout.written.length;
  snapshot = troubled;
  stdin.write('?');
  await vi.waitFor(() => expect(stdout.text(paused)).toContain('pause the picture'));
  expect(stdout.text(paused)).not.toContain('redis DOWN');
  stdin.write('p');
  await vi.waitFor(() => expect(stdout.text(paused)).toContain('redis DOWN'));
});

test('keys that come at once are keys: a panel, a line, its detail with a record, and the command copied', async () => {
  const record = { ...sampleRecord, value: 'a record of the cause' };
  const { stdin, stdout } = open(() => troubled, {
    sampleOf: (fingerprint) => Promise.resolve(fingerprint === 'a3f9' ? record : null),
  });
  await vi.waitFor(() => expect(stdin.isRaw).toBe(true));
  stdin.write('4j\r');
  await vi.waitFor(() => expect(stdout.text()).toContain('a record of the cause'));
  stdin.write('y');
  const command = 'pipectl dlq inspect orders-per-store.yaml --env prod --fingerprint a3f9';
  await vi.waitFor(() =>
    expect(stdout.written).toContain(`\u001b]52;c;${Buffer.from(command).toString('base64')}\u0007`),
  );
});

test('the view of another process is left by q, and says how old its picture is', async () => {
  const { view, stdin, stdout, stderr, onStop } = open(() => healthy, { attached: true, note: () => 'NO ANSWER 12 s' });
  await vi.waitFor(() => expect(stdout.text()).toContain('NO ANSWER 12 s'));
  await vi.waitFor(() => expect(stdin.isRaw).toBe(true));
  stdin.write('q');
  await expect(view.closedByUser).resolves.toBe('leave');
  await view.close();
  expect(onStop).not.toHaveBeenCalled();
  expect(stderr.text()).not.toContain('account');
});

test('an error in a component ends the view alone: it says so and goes on in plain lines', async () => {
  let snapshot = healthy;
  const { stdout, stderr } = open(() => snapshot);
  await vi.waitFor(() => expect(stdout.text()).toContain('RUNNING'));
  snapshot = { ...troubled, sinks: [null as never] };
  await vi.waitFor(() => expect(stderr.text()).toContain('the status view failed'));
  expect(stdout.written).toContain(LEAVE_SCREEN);
  snapshot = troubled;
  await vi.waitFor(() => expect(stderr.text()).toContain('! redis DOWN 3m16s'));
});

test('a snapshot that can not be made ends the view alone', async () => {
  let fails = false;
  const { stderr, stdout } = open(() => {
    if (fails) throw new Error('planted');
    return healthy;
  });
  await vi.waitFor(() => expect(stdout.text()).toContain('RUNNING'));
  fails = true;
  await vi.waitFor(() => expect(stderr.text()).toContain('the status view failed (planted)'));
  expect(stdout.written).toContain(LEAVE_SCREEN);
});

test('a view that can not even start says so, gives messages back, and plain lines follow', async () => {
  const former = globalThis.console;
  const broken = new FakeTerminal();
  Object.defineProperty(broken, 'rows', {
    get() {
      throw new Error('planted');
    },
  });
  const { view, stderr } = open(undefined, { stdout: broken });
  await vi.waitFor(() => expect(stderr.text()).toContain('the status view failed (planted)'));
  expect(globalThis.console).toBe(former);
  await view.close();
  expect(stderr.text()).toContain(healthy.pipeline);
});

test('messages of any library wait until the screen is restored', async () => {
  const former = globalThis.console;
  const { view, stdout, stderr } = open();
  await vi.waitFor(() => expect(stdout.text()).toContain('RUNNING'));
  globalThis.console.log('from a library');
  // What else a console has stays: the development build of React calls `timeStamp`.
  expect(Object.getPrototypeOf(globalThis.console)).toBe(former);
  stderr.write('from a logger\n');
  expect(stdout.text() + stderr.text()).not.toContain('from a');
  await view.close();
  await vi.waitFor(() => expect(stderr.text()).toMatch(/from a library\nfrom a logger\n/));
});

test('a terminal that takes nothing gets no more frames until it does', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  let made = 0;
  const { stdout } = open(() => {
    made++;
    return { ...healthy, lag: made };
  });
  stdout.pause();
  while (!stdout.writableNeedDrain) await vi.advanceTimersByTimeAsync(10);
  const stuck = { made, bytes: stdout.writableLength };
  await vi.advanceTimersByTimeAsync(1_000);
  expect({ made, bytes: stdout.writableLength }).toEqual(stuck);
  stdout.resume();
  await vi.waitFor(() => expect(stdout.writableNeedDrain).toBe(false));
  await vi.advanceTimersByTimeAsync(10);
  expect(made).toBeGreaterThan(stuck.made);
});
