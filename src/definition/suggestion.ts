/** "Did you mean", and lists as people write them. */
import { closest } from '../expressions/closest.ts';

/** What people, and other tools, call our words: nearer in meaning than in letters. The first that is known is meant. */
const otherNames: Readonly<Record<string, readonly string[]>> = {
  // The file.
  input: ['source'],
  inputs: ['source'],
  output: ['sinks'],
  outputs: ['sinks'],
  destination: ['sinks'],
  destinations: ['sinks'],
  target: ['sinks', 'into'],
  transforms: ['steps'],
  transformations: ['steps'],
  processors: ['steps'],
  transform: ['steps', 'map'],
  dead_letter_queue: ['dlq'],
  dead_letters: ['dlq'],
  deadletter: ['dlq'],
  dead_letter: ['dlq'],
  // Components.
  redpanda: ['kafka'],
  csv: ['file'],
  ndjson: ['file'],
  jsonl: ['file'],
  datagen: ['generate'],
  faker: ['generate'],
  postgresql: ['postgres'],
  jdbc: ['postgres'],
  console: ['stdout'],
  print: ['stdout'],
  log: ['stdout'],
  blackhole: ['discard'],
  null: ['discard'],
  where: ['filter', 'when'],
  if: ['when'],
  condition: ['when'],
  select: ['keep'],
  project: ['keep'],
  remove: ['drop'],
  delete: ['drop'],
  exclude: ['drop'],
  rename: ['map'],
  mapping: ['map'],
  add: ['set'],
  assign: ['set'],
  flatten: ['explode'],
  unnest: ['explode'],
  unwind: ['explode'],
  lookup: ['enrich', 'lookups', 'from'],
  // Options.
  servers: ['brokers'],
  hosts: ['brokers', 'host'],
  bootstrap_servers: ['brokers'],
  'bootstrap.servers': ['brokers'],
  auto_offset_reset: ['start'],
  'auto.offset.reset': ['start'],
  offset: ['start'],
  topic_pattern: ['topics'],
  pattern: ['topics'],
  filename: ['path'],
  file_name: ['path'],
  file: ['path'],
  separator: ['delimiter'],
  table_name: ['table'],
  primary_key: ['key'],
  primary_keys: ['key'],
  unique_key: ['key'],
  dsn: ['url'],
  uri: ['url'],
  connection_string: ['url'],
  username: ['user'],
  user: ['username'],
  pass: ['password'],
  pwd: ['password'],
  ssl: ['tls'],
  cacert: ['ca'],
  ca_cert: ['ca'],
  ca_file: ['ca'],
  as: ['into'],
  // Values.
  ignore: ['drop'],
  skip: ['drop'],
  fail: ['stop'],
  error: ['dlq'],
  insert: ['append'],
  replace: ['upsert'],
  merge: ['upsert'],
  json: ['ndjson'],
  seconds: ['s'],
  second: ['s'],
  millis: ['ms'],
  milliseconds: ['ms'],
  micros: ['us'],
  microseconds: ['us'],
};

/** The candidate that `word` is another name of, or the nearest to it; null where none is near enough to be meant. */
export function suggestion(word: string, candidates: readonly string[]): string | null {
  const names = Object.hasOwn(otherNames, word.toLowerCase()) ? (otherNames[word.toLowerCase()] ?? []) : [];
  const known = names.find((name) => candidates.includes(name));
  // Among words of a letter or two, each is near to each.
  const long = candidates.filter((candidate) => candidate.length > 2);
  return known ?? closest(word, long) ?? null;
}

/** `a`, `a or b`, `a, b or c`. */
export function listed(words: readonly string[], last = 'or'): string {
  if (words.length < 2) return words.join('');
  return `${words.slice(0, -1).join(', ')} ${last} ${words.at(-1) ?? ''}`;
}
