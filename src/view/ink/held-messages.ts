import { Console } from 'node:console';
import { Writable } from 'node:stream';

/** Messages kept while the picture is up; older ones go first. */
const HELD_MAX = 1_000;

/**
 * Holds back what would be written over the picture: the console of any library, and `stderr` where it is the terminal.
 * The returned function gives both back and writes what was held.
 */
export function holdMessages(stderr: NodeJS.WritableStream & { isTTY?: boolean }): () => void {
  const held: string[] = [];
  const hold = new Writable({
    decodeStrings: false,
    write(chunk: string | Uint8Array, _encoding, done) {
      held.push(typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString());
      if (held.length > HELD_MAX) held.shift();
      done();
    },
  });
  const isTerminal = stderr.isTTY === true;
  const formerConsole = globalThis.console;
  const formerWrite = stderr.write.bind(stderr);
  // What a console has beyond a stream's (`timeStamp`) stays.
  const holding = Object.create(formerConsole) as Console;
  globalThis.console = Object.assign(holding, new Console(hold, isTerminal ? hold : stderr));
  if (isTerminal) stderr.write = hold.write.bind(hold);
  return () => {
    globalThis.console = formerConsole;
    if (isTerminal) stderr.write = formerWrite;
    for (const message of held.splice(0)) stderr.write(message);
  };
}
