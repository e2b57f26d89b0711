/** `conventions: { topic: '<domain>.<entity>.<event>.v<N>' }`: the form that the names of topics have. */
import { connectionKeyword } from '../declaration/connection.ts';
import { isMapping, type JsonSchema } from './json-schema.ts';
import { isTopicName } from './names.ts';
import type { ComponentUse } from './pipeline.ts';
import type { ProblemList } from './problems.ts';

interface Piece {
  /** As written: `<domain>`, `.v`. */
  readonly text: string;
  /** The characters a `<word>` stands for; null where the text stands for itself. */
  readonly characters: RegExp | null;
}

export type TopicConvention = readonly Piece[];

/**
 * `<N>` stands for a whole number, any other `<word>` for letters, digits, "_" and "-"; what is between them stands for
 * itself. Null where a bracket is left over or there is nothing in brackets.
 */
export function parseTopicConvention(text: string): TopicConvention | null {
  const pieces = [...text.matchAll(/<(\w+)>|[^<>]+|[<>]/g)].map(([written, word]): Piece => ({
    text: written,
    characters: word === undefined ? null : word === 'N' ? /\d/ : /[A-Za-z0-9_-]/,
  }));
  const isSound =
    pieces.some(({ characters }) => characters !== null) && !pieces.some((piece) => /^[<>]$/.test(piece.text));
  return isSound ? pieces : null;
}

export interface Misfit {
  /** What does not fit, as offsets in the topic; empty where something is missing at its end. */
  readonly start: number;
  readonly end: number;
  readonly reason: string;
}

/** The part of a topic's name that does not fit; null where all of it does. */
export function misfitOf(topic: string, convention: TopicConvention): Misfit | null {
  let ends: ReadonlySet<number> = new Set([0]);
  for (const [index, piece] of convention.entries()) {
    const next = new Set<number>();
    for (const start of ends) for (const end of endsOf(piece, topic, start)) next.add(end);
    if (next.size > 0) {
      ends = next;
      continue;
    }
    const start = Math.max(...ends);
    const missing = convention.slice(index).map(({ text }) => text);
    const reason =
      start === topic.length
        ? `${missing.join('')} is missing at its end`
        : `"${topic.slice(start)}" stands where ${missing.join('')} belongs`;
    return { start, end: topic.length, reason };
  }
  if (ends.has(topic.length)) return null;
  const start = Math.max(...ends);
  return { start, end: topic.length, reason: `"${topic.slice(start)}" is too much` };
}

/** Where a piece may end that begins at `start`. */
function endsOf({ text, characters }: Piece, topic: string, start: number): readonly number[] {
  if (characters === null) return topic.startsWith(text, start) ? [start + text.length] : [];
  const ends: number[] = [];
  for (let at = start; at < topic.length && characters.test(topic[at]!); at++) ends.push(at + 1);
  return ends;
}

/**
 * Warns of the topics a component names. Dead letters are left out, since they are named after the pipeline; so is
 * what is no name: regular expressions, and templates.
 */
export function checkTopics(
  { options, path }: ComponentUse,
  schema: JsonSchema,
  convention: TopicConvention,
  problems: ProblemList,
): void {
  if (schema[connectionKeyword] !== 'kafka' || !isMapping(options)) return;
  const { topic, topics } = options;
  const named = [
    { name: topic, at: ['topic'] },
    ...(Array.isArray(topics) ? topics.map((name: unknown, index) => ({ name, at: ['topics', index] })) : []),
    { name: Array.isArray(topics) ? undefined : topics, at: ['topics'] },
  ];
  for (const { name, at } of named) {
    if (typeof name !== 'string' || !isTopicName(name)) continue;
    const misfit = misfitOf(name, convention);
    if (misfit === null) continue;
    const { start, end, reason } = misfit;
    const form = convention.map(({ text }) => text).join('');
    problems.at([...path, ...at], 'topic_convention', `the topic ${name} is not named ${form}: ${reason}`, {
      severity: 'warning',
      ...(start < end ? { span: { start, end } } : {}),
      hint: 'rename it, or change `conventions.topic` in pipectl.yaml',
    });
  }
}
