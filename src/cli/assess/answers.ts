/** Where the answers of `pipectl assess` come from: a text, a file, or a person at a terminal. */
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { parse } from 'yaml';
import { exitCodes, PipectlError } from '../../errors.ts';
import {
  type Answers,
  type Question,
  questions,
  readAnswer,
  readAnswers,
  WrongAnswer,
} from '../../operations/assess/questions.ts';

const usage = (message: string, hint?: string): PipectlError =>
  new PipectlError('usage', message, { exitCode: exitCodes.usage, ...(hint === undefined ? {} : { hint }) });

/** `cost=much,rate=500,...`, or a file with the same as YAML or JSON. Rejects with wrong usage that names the answer. */
export async function answersFrom(given: string): Promise<Answers> {
  const answers = given.includes('=') ? pairsIn(given) : await answersIn(given);
  try {
    return readAnswers(answers);
  } catch (error) {
    if (error instanceof WrongAnswer)
      throw usage(error.message, '`pipectl assess --questions` lists them with their answers');
    throw error;
  }
}

function pairsIn(text: string): Record<string, string> {
  const answers: Record<string, string> = {};
  for (const pair of text.split(',')) {
    const [, name, value] = /^\s*(\w+)\s*=\s*(.*?)\s*$/.exec(pair) ?? [];
    if (name === undefined) throw usage(`--answers: "${pair}" is not key=value`);
    if (Object.hasOwn(answers, name)) throw usage(`--answers: ${name} is answered twice`);
    answers[name] = value!;
  }
  return answers;
}

async function answersIn(path: string): Promise<Record<string, string>> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw usage(
      `--answers: ${path} could not be read (${error.code ?? 'unreadable'})`,
      'name a file, or write key=value,...',
    );
  });
  let value: unknown;
  try {
    value = parse(text, { maxAliasCount: 0 });
  } catch (error) {
    throw usage(`${path} is no YAML: ${(error as Error).message.split('\n')[0]}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw usage(`${path} holds no answers`, 'a line each: cost: much');
  return Object.fromEntries(
    Object.entries(value).map(([name, answer]) => {
      if (typeof answer !== 'string' && typeof answer !== 'number')
        throw usage(`${path}: the answer to ${name} is neither text nor number`);
      return [name, String(answer)];
    }),
  );
}

/** Asks one after the other, again where an answer is none. Rejects with wrong usage where the input ends before the last. */
export async function askAnswers({
  input,
  output,
}: {
  readonly input: Readable;
  readonly output: Writable;
}): Promise<Answers> {
  const lines = createInterface({ input, output, terminal: 'isTTY' in input && input.isTTY === true });
  let isOpen = true;
  lines.once('close', () => (isOpen = false));
  const given: Record<string, string> = {};
  const waiting = [...questions];
  const ask = () => {
    output.write(questionText(waiting[0]!, questions.length - waiting.length + 1));
    // The input may have ended with lines still to be read.
    if (isOpen) lines.prompt();
  };
  try {
    ask();
    for await (const line of lines) {
      try {
        readAnswer(waiting[0]!, line);
        given[waiting.shift()!.name] = line;
      } catch (error) {
        if (!(error instanceof WrongAnswer)) throw error;
        output.write(`${error.message}\n`);
      }
      if (waiting.length === 0) return readAnswers(given);
      ask();
    }
  } finally {
    lines.close();
  }
  throw usage(`${waiting.length} of ${questions.length} questions are not answered`, 'begin again: pipectl assess');
}

/** A question with its answers, as it is asked. */
export function questionText({ name, text, choices, example }: Question, number: number): string {
  const lines =
    choices === null
      ? [`   ${name}: such as ${example}`]
      : choices.map(({ answer, meaning }, index) => `   ${index + 1} ${answer.padEnd(8)}  ${meaning}`);
  return `\n${number}. ${text}\n${lines.join('\n')}\n`;
}
