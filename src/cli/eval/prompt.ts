/** The prompt of `pipectl eval`: expressions on a sample, with completion and types. */
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { hideSecretsIn } from '../../declaration/secrets.ts';
import { PipectlError } from '../../errors.ts';
import { functions, specialForms } from '../../expressions/functions.ts';
import type { Scope } from '../../expressions/index.ts';
import { kindOf } from '../../expressions/values.ts';
import { typeText } from '../../plan/event-type.ts';
import { answer, answerText, compileOn, jsonText } from './answers.ts';
import type { Samples } from './samples.ts';

export interface PromptStreams {
  readonly input: Readable;
  readonly output: Writable;
  /** True where keys can be read one by one: completion, arrows, history. */
  readonly terminal: boolean;
}

const help = `An expression is evaluated on the event. Tab completes fields, functions and vars; arrow up recalls.
  :type EXPR   its type, without evaluating it
  :event       the event
  :next        goes on to the next event of the sample
  :all EXPR    evaluates it on every event of the sample
  :quit        ends (so does Ctrl-D)
`;

/** Reads lines until `:quit` or the end of the input. */
export async function runPrompt(samples: Samples, { input, output, terminal }: PromptStreams): Promise<void> {
  const { scopes, secrets } = samples;
  let at = 0;
  const current = (): Scope => scopes[at]!;
  const say = (text: string) => output.write(`${text}\n`);
  const lines = createInterface({
    input,
    output,
    terminal,
    prompt: '> ',
    historySize: 500,
    removeHistoryDuplicates: true,
    completer: (line: string) => complete(line, samples),
  });
  say(`${scopes.length === 1 ? 'one event' : `event 1 of ${scopes.length}`}; :help lists what can be done here`);
  let isOpen = true;
  lines.once('close', () => (isOpen = false));
  lines.prompt();
  for await (const line of lines) {
    const [, command, rest] = /^\s*:(\w*)\s*(.*)$/.exec(line) ?? [];
    if (command === 'quit' || command === 'q' || command === 'exit') break;
    try {
      switch (command) {
        case undefined:
          if (line.trim() !== '') say(answerText(answer(compileOn(line, samples), current(), secrets)));
          break;
        case 'type':
          say(typeText(compileOn(rest!, samples).type));
          break;
        case 'event':
          say(jsonText(hideSecretsIn(current().event, secrets)));
          break;
        case 'next':
          at = (at + 1) % scopes.length;
          say(`event ${at + 1} of ${scopes.length}`);
          break;
        case 'all': {
          const expression = compileOn(rest!, samples);
          for (const [index, scope] of scopes.entries())
            say(`${index + 1}: ${answerText(answer(expression, scope, secrets))}`);
          break;
        }
        case 'help':
          output.write(help);
          break;
        default:
          say(`:${command} is unknown; :help lists what can be done here`);
      }
    } catch (error) {
      if (!(error instanceof PipectlError)) throw error;
      say(error.hint ? `${error.message}\n  ${error.hint}` : error.message);
    }
    // The input may have ended with lines still to be answered.
    if (isOpen) lines.prompt();
  }
  lines.close();
}

const commands = ['type', 'event', 'next', 'all', 'help', 'quit'];
const metaFields = ['topic', 'partition', 'offset', 'timestamp', 'headers', 'source', 'late'];
const macros = ['all', 'exists', 'exists_one', 'map', 'filter'];

/** What the end of a line may go on to, and the part of the line that this replaces: as node:readline takes it. */
export function complete(line: string, { scopes, vars }: Pick<Samples, 'scopes' | 'vars'>): [string[], string] {
  const command = /^\s*:(\w*)$/.exec(line);
  if (command) return starting(command[1]!, commands, ' ');
  const [, path, word] = /((?:[A-Za-z_][\w]*(?:\[\d+\])?\.\??)*)([A-Za-z_]\w*)?$/.exec(line)!;
  const typed = word ?? '';
  if (path === '') {
    const roots = ['event', 'key', 'meta', 'vars', 'true', 'false', 'null'];
    return starting(typed, [...roots, ...[...functions.keys(), ...specialForms].map((name) => `${name}(`)]);
  }
  const parts = path!.split(/\.\??/).slice(0, -1);
  const [root, ...below] = parts;
  if (root === 'vars') return starting(typed, below.length === 0 ? Object.keys(vars) : []);
  if (root === 'meta') return starting(typed, below.length === 0 ? metaFields : []);
  if (root !== 'event') return starting(typed, []);
  const targets = scopes.map(({ event }) => below.reduce(valueBelow, event));
  const fields = targets.flatMap((value) => (kindOf(value) === 'map' ? Object.keys(value as object) : []));
  const isList = targets.some((value) => Array.isArray(value));
  return starting(typed, [...new Set([...fields, ...(isList ? macros.map((name) => `${name}(`) : [])])]);
}

function starting(typed: string, names: readonly string[], after = ''): [string[], string] {
  return [names.filter((name) => name.startsWith(typed)).map((name) => name + after), typed];
}

/** `lines[0]` or `customer`: own fields and elements only. */
function valueBelow(value: unknown, part: string): unknown {
  const [, field, index] = /^(\w+)(?:\[(\d+)\])?$/.exec(part)!;
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, field!)) return undefined;
  const found = (value as Record<string, unknown>)[field!];
  return index === undefined ? found : Array.isArray(found) ? (found as unknown[])[Number(index)] : undefined;
}
