/** A real terminal, as far as a program can tell: a pane of tmux, on a server of its own. */
import { execFile, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { onTestFailed, test } from 'vitest';

const isThere = spawnSync('tmux', ['-V']).status === 0;
if (!isThere) process.stderr.write('tmux is not installed: tests at a real terminal are left out\n');

/** A test at a real terminal: left out, which is said, where there is no tmux. */
export const terminalTest = test.skipIf(!isThere);

export interface TerminalOptions {
  readonly columns?: number;
  readonly rows?: number;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd: string;
}

export class Terminal implements AsyncDisposable {
  /** Of the program in it. */
  readonly pid: number;
  readonly #tmux: (...args: readonly string[]) => Promise<string>;

  private constructor(pid: number, tmux: (...args: readonly string[]) => Promise<string>) {
    this.pid = pid;
    this.#tmux = tmux;
  }

  /** Runs a program in a terminal of that size, which stays when the program has ended. */
  static async open(
    argv: readonly string[],
    { columns = 100, rows = 30, env = {}, cwd }: TerminalOptions,
  ): Promise<Terminal> {
    const { NODE_OPTIONS: _, TMUX: _inside, ...inherited } = process.env;
    const name = `pipectl-${randomUUID()}`;
    const all = { ...inherited, LC_ALL: 'C.UTF-8', ...env };
    const tmux = async (...args: readonly string[]): Promise<string> => {
      // The server belongs to this test alone, whatever the user's own one is set up to do.
      const server = ['-u', '-L', name, '-f', '/dev/null'];
      const { stdout } = await promisify(execFile)('tmux', [...server, ...args], { env: all, cwd });
      return stdout;
    };
    const settings = ['status off', 'remain-on-exit on', 'default-terminal xterm-256color', 'history-limit 2000'];
    const set = settings.flatMap((setting) => ['set', '-g', ...setting.split(' '), ';']);
    const size = ['-x', String(columns), '-y', String(rows)];
    await tmux('start-server', ';', ...set, 'new-session', '-d', ...size, '--', ...argv);
    const terminal = new Terminal(Number(await tmux('display', '-p', '#{pane_pid}')), tmux);
    onTestFailed(async () => {
      process.stderr.write(`\n--- the terminal of ${argv.join(' ')}\n${await terminal.screen().catch(String)}\n`);
    });
    return terminal;
  }

  /** What is on it now: a line for each row, without the blanks at their ends. */
  screen(): Promise<string> {
    return this.#tmux('capture-pane', '-p');
  }

  /** Keys by the names of tmux: `q`, `Enter`, `C-c`. */
  async press(...keys: readonly string[]): Promise<void> {
    await this.#tmux('send-keys', ...keys);
  }

  /** The program has ended. */
  async hasEnded(): Promise<boolean> {
    return (await this.#tmux('display', '-p', '#{pane_dead}')).trim() === '1';
  }

  /** Closes it under the program, as a connection that breaks does. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#tmux('kill-server').catch(() => undefined);
  }
}
