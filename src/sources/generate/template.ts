/** The template of generated events: read once, with every mistake told, then drawn from for each event. */
import type { OptionPath } from '../../declaration/component.ts';
import { parseDuration } from '../../declaration/units.ts';
import {
  closest,
  compileExpression,
  EvaluationError,
  type Expression,
  type ObjectType,
  type Type,
} from '../../expressions/index.ts';
import { textOf } from '../../expressions/text-of.ts';
import { hashText, Random } from './random.ts';
import { type WordPlace, wordNames, words } from './words.ts';

export interface TemplateProblem {
  readonly path: OptionPath;
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
}

/** What is being made: the expressions' scope, and where chance stands. */
interface Draw {
  readonly random: Random;
  n: number;
  timeMs: number;
  /** Number of the element among those of all lists around it, for chance. */
  element: number;
  /** Number of the element in its list. */
  index: number;
  event: Record<string, unknown>;
  self: Record<string, unknown>;
}

interface Field {
  readonly type: Type;
  readonly mayBeAbsent?: boolean;
  /** Undefined: the event does not have the field. Throws `EvaluationError`. */
  readonly draw: (draw: Draw) => unknown;
}

export interface GeneratedEvent {
  readonly event: Record<string, unknown>;
  readonly key: string | null;
}

export interface Template {
  /** Of the events as they are read, which is from JSON. */
  readonly type: Type;
  /** Event `n`, from 0, that happens at `timeMs`. The same for the same arguments. Throws `EvaluationError`. */
  generate(seed: Random, n: number, timeMs: number): GeneratedEvent;
}

type Vars = Readonly<Record<string, unknown>>;

/** What reading a template takes along. */
interface Reading {
  readonly vars: Vars;
  readonly report: (problem: TemplateProblem) => void;
}

/** Reads `event` and `key` of the source's options, whose expressions read `vars`. Every mistake goes to `report`. */
export function readTemplate(
  given: { readonly event: Readonly<Record<string, unknown>>; readonly key?: string },
  vars: Vars,
  report: Reading['report'],
): Template {
  const reading = { vars, report };
  const types: Record<string, Type> = {};
  const { type, read: object } = readObject(given.event, ['event'], types, types, reading);
  const key = given.key === undefined ? null : readExpression(given.key, ['key'], '', types, types, reading);
  return {
    type: asRead(type),
    generate(random, n, timeMs) {
      const draw: Draw = { random, n, timeMs, element: 0, index: 0, event: {}, self: {} };
      const event = object(draw, true);
      draw.self = event;
      const value = key?.draw(draw) ?? null;
      return { event, key: value === null ? null : textOf(value, 'key') };
    },
  };
}

/** What becomes of a type on its way through JSON. */
function asRead(type: Type): Type {
  if (typeof type !== 'string') {
    if ('list' in type) return { list: asRead(type.list) };
    if ('map' in type) return { map: asRead(type.map) };
    return { ...type, fields: Object.fromEntries(Object.entries(type.fields).map(([name, of]) => [name, asRead(of)])) };
  }
  if (type === 'timestamp' || type === 'duration' || type === 'bytes') return 'string';
  // 2.0 is written as 2.
  return type === 'double' || type === 'decimal' ? 'number' : type;
}

interface ReadObject {
  readonly type: ObjectType;
  readonly read: (draw: Draw, isEvent: boolean) => Record<string, unknown>;
}

/** `eventTypes` are those of the whole event so far; `types` is filled with those of this object. */
function readObject(
  fields: Readonly<Record<string, unknown>>,
  path: OptionPath,
  eventTypes: Readonly<Record<string, Type>>,
  types: Record<string, Type>,
  reading: Reading,
): ReadObject {
  const read = Object.entries(fields).map(([name, given]): readonly [string, Field] => {
    const field = readField(given, [...path, name], eventTypes, types, reading);
    types[name] = field.type;
    return [name, field];
  });
  const required = read.filter(([, field]) => field.mayBeAbsent !== true).map(([name]) => name);
  const drawAll: ReadObject['read'] = (draw, isEvent) => {
    const object: Record<string, unknown> = {};
    const { self } = draw;
    draw.self = object;
    if (isEvent) draw.event = object;
    for (const [name, field] of read) {
      const value = field.draw(draw);
      if (value !== undefined) object[name] = value;
    }
    draw.self = self;
    return object;
  };
  return { type: { fields: types, required }, read: drawAll };
}

const generators = ['value', 'int', 'amount', 'choice', 'time', 'object', 'list'] as const;
type Generator = (typeof generators)[number];
const ratios = ['null_ratio', 'missing_ratio'];

function readField(
  given: unknown,
  path: OptionPath,
  eventTypes: Readonly<Record<string, Type>>,
  types: Readonly<Record<string, Type>>,
  reading: Reading,
): Field {
  const salt = hashText(path.join('.'));
  if (!isMapping(given)) return readExpression(given, path, objectPath(path), eventTypes, types, reading);
  const keys = Object.keys(given);
  for (const key of keys) {
    if ((generators as readonly string[]).includes(key) || ratios.includes(key)) continue;
    const near = closest(key, [...generators, ...ratios]);
    reading.report({
      path: [...path, key],
      code: 'key_unknown',
      message: `${key} is unknown here${near === undefined ? '' : `; did you mean "${near}"?`}`,
      hint: `a nested object is written \`object: { ${key}: ... }\`; known are ${generators.join(', ')}`,
    });
  }
  const [used, second] = generators.filter((key) => keys.includes(key));
  if (used === undefined || second !== undefined) {
    if (keys.every((key) => [...generators, ...ratios].includes(key))) {
      const message =
        used === undefined ? 'this field says nothing of its value' : `a field is either ${used} or ${second}`;
      reading.report({ path, code: 'value_wrong', message, hint: `write one of ${generators.join(', ')}` });
    }
    return { type: 'dyn', draw: () => null };
  }
  const field = readGenerator(used, given[used], path, eventTypes, types, reading);
  return withRatios(
    field,
    salt,
    ratioOf(given, 'null_ratio', path, reading),
    ratioOf(given, 'missing_ratio', path, reading),
  );
}

/** Deep fields are checked here alone, so nothing is taken for granted. */
function readGenerator(
  kind: Generator,
  given: unknown,
  fieldPath: OptionPath,
  eventTypes: Readonly<Record<string, Type>>,
  types: Readonly<Record<string, Type>>,
  reading: Reading,
): Field {
  const path = [...fieldPath, kind];
  const salt = hashText(fieldPath.join('.'));
  const options = isMapping(given) ? given : {};
  const wrong = (message: string, below: OptionPath = []): Field => {
    reading.report({ path: [...path, ...below], code: 'value_wrong', message });
    return { type: 'dyn', draw: () => null };
  };
  switch (kind) {
    case 'value':
      return readExpression(given, path, objectPath(fieldPath), eventTypes, types, reading, salt);
    case 'int':
    case 'amount': {
      const { min = 0, max, digits = kind === 'int' ? 0 : 2 } = options;
      if (!isNumber(min) || !isNumber(max) || !isNumber(digits)) return wrong(`${kind} needs \`max\`, a number`);
      if (max < min) return wrong(`max ${max} is below min ${min}`, ['max']);
      const unit = 10 ** digits;
      const draw = ({ random, n, element }: Draw) => {
        random.moveTo(n, salt, element);
        if (kind === 'int') return random.int(min, max);
        return Math.round((min + random.fraction() * (max - min)) * unit) / unit;
      };
      return { type: kind === 'int' ? 'int' : 'number', draw };
    }
    case 'choice':
      return readChoice(given, salt) ?? wrong('choice needs values: a list, or texts with weights above 0');
    case 'time':
      return readTime(options, salt) ?? wrong('time takes `jitter`, `late: { ratio, by }` and `unit`');
    case 'object': {
      if (!isMapping(given)) return wrong('object needs the fields of a nested object');
      const own: Record<string, Type> = {};
      const object = readObject(given, path, eventTypes, own, reading);
      return { type: object.type, draw: (draw) => object.read(draw, false) };
    }
    case 'list': {
      const { of, min = 1, max = 3 } = options;
      if (of === undefined || !isNumber(min) || !isNumber(max)) return wrong('list needs `of`, what it holds');
      if (max < min) return wrong(`max ${max} is below min ${min}`, ['max']);
      if (max > elementsMax) return wrong(`a list has at most ${elementsMax} elements`, ['max']);
      const element = readField(of, [...path, 'of'], eventTypes, types, reading);
      const draw = (draw: Draw) => {
        const { element: outer, index } = draw;
        draw.random.moveTo(draw.n, salt, outer);
        const length = draw.random.int(min, max);
        const items: unknown[] = [];
        for (let i = 0; i < length; i++) {
          // Lists of lists: elements of different lists stand at different places.
          draw.element = outer * (elementsMax + 1) + i;
          draw.index = i;
          items.push(element.draw(draw) ?? null);
        }
        draw.element = outer;
        draw.index = index;
        return items;
      };
      return { type: { list: element.type }, draw };
    }
  }
}

const elementsMax = 1000;

function readChoice(given: unknown, salt: number): Field | null {
  const entries: readonly (readonly [unknown, unknown])[] = Array.isArray(given)
    ? given.map((value: unknown) => [value, 1] as const)
    : isMapping(given)
      ? Object.entries(given)
      : [];
  let total = 0;
  const bounds = entries.map(([, weight]) => (total += isNumber(weight) && weight >= 0 ? weight : Number.NaN));
  if (entries.some(([value]) => typeof value === 'object' && value !== null) || !(total > 0)) return null;
  const isText = entries.every(([value]) => typeof value === 'string');
  return {
    type: isText ? 'string' : 'dyn',
    draw({ random, n, element }) {
      random.moveTo(n, salt, element);
      const at = random.fraction() * total;
      return entries[bounds.findIndex((bound) => at < bound)]![0];
    },
  };
}

function readTime(options: Readonly<Record<string, unknown>>, salt: number): Field | null {
  const { jitter, late, unit = 'iso' } = options;
  const ms = (text: unknown) => (typeof text === 'string' ? parseDuration(text) : undefined);
  const jitterMs = jitter === undefined ? 0 : ms(jitter);
  const lateMs = isMapping(late) ? ms(late.by) : 0;
  const ratio = isMapping(late) ? late.ratio : 0;
  if (jitterMs === undefined || lateMs === undefined || !isNumber(ratio)) return null;
  if (unit !== 'iso' && unit !== 'ms' && unit !== 's') return null;
  return {
    type: unit === 'iso' ? 'string' : 'int',
    draw({ random, n, element, timeMs }) {
      random.moveTo(n, salt, element);
      const early = random.fraction() * jitterMs;
      const isLate = random.fraction() < ratio;
      const at = Math.floor(timeMs - early - (isLate ? random.fraction() * lateMs : 0));
      if (unit === 'iso') return new Date(at).toISOString();
      return unit === 'ms' ? at : Math.floor(at / 1000);
    },
  };
}

/** A word or an expression; numbers, true, false and null are themselves. */
function readExpression(
  given: unknown,
  path: OptionPath,
  objectAt: string,
  eventTypes: Readonly<Record<string, Type>>,
  types: Readonly<Record<string, Type>>,
  reading: Reading,
  salt = hashText(path.join('.')),
): Field {
  const objectSalt = hashText(objectAt);
  const place = ({ random, n, timeMs, element, index }: Draw): WordPlace => ({
    random,
    n,
    timeMs,
    element,
    index,
    salt,
    objectSalt,
  });
  if (typeof given === 'string' && Object.hasOwn(words, given)) {
    const word = words[given as keyof typeof words];
    return { type: word.type, draw: (draw) => word.draw(place(draw)) };
  }
  const compiled = compileExpression(given, {
    names: ['event', 'self', 'vars', ...wordNames],
    vars: reading.vars,
    // What stands further down is not there yet.
    event: { fields: { ...eventTypes } },
  });
  if (!compiled.ok) {
    for (const problem of compiled.problems) {
      const word = typeof given === 'string' ? closest(given, wordNames) : undefined;
      const hint = word === undefined ? problem.hint : `did you mean ${word}?`;
      reading.report({ path, code: problem.code, message: problem.message, ...(hint === undefined ? {} : { hint }) });
    }
    return { type: 'dyn', draw: () => null };
  }
  const { expression } = compiled;
  const used = wordNames.filter((word) => expression.reads.includes(word));
  return { type: expression.type, draw: (draw) => evaluate(expression, draw, used, place, path) };
}

function evaluate(
  expression: Expression,
  draw: Draw,
  used: readonly (keyof typeof words)[],
  place: (draw: Draw) => WordPlace,
  path: OptionPath,
): unknown {
  const scope: Record<string, unknown> = { event: draw.event, self: draw.self, key: null, meta: null };
  for (const word of used) scope[word] = words[word].draw(place(draw));
  try {
    return expression.evaluate(scope as never);
  } catch (error) {
    if (!(error instanceof EvaluationError)) throw error;
    throw new EvaluationError(error.code, `${path.join('.')}: ${error.message}`, error.path);
  }
}

function withRatios(field: Field, salt: number, nullRatio: number, missingRatio: number): Field {
  if (nullRatio === 0 && missingRatio === 0) return field;
  const ratioSalt = salt ^ hashText('ratio');
  return {
    type: field.type,
    mayBeAbsent: missingRatio > 0,
    draw(draw) {
      draw.random.moveTo(draw.n, ratioSalt, draw.element);
      const at = draw.random.fraction();
      if (at < missingRatio) return undefined;
      return at < missingRatio + nullRatio ? null : field.draw(draw);
    },
  };
}

function ratioOf(given: Record<string, unknown>, name: string, path: OptionPath, reading: Reading): number {
  const value = given[name] ?? 0;
  if (isNumber(value) && value >= 0 && value <= 1) return value;
  reading.report({ path: [...path, name], code: 'value_wrong', message: `${name} must be a share from 0 to 1` });
  return 0;
}

/** Fields of one object share people and places: `event`, or `event.lines.list.of.object`. */
const objectPath = (path: OptionPath): string => path.slice(0, -1).join('.');
const isNumber = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value);
const isMapping = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
