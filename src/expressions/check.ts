/** Gives every node its type, and finds what can't work whatever the record holds. Unknown types pass. */
import { closest } from './closest.ts';
import type { ExpressionProblem, ProblemCode } from './errors.ts';
import { checkCall } from './check-call.ts';
import { lookUpField, unknownFieldHint } from './check-field.ts';
import { conversionHint, truthHint, otherEventNames, otherLiterals } from './check-hints.ts';
import { resultOf, sameKind, unify } from './check-types.ts';
import { metaTypes, varValue, type Environment } from './environment.ts';
import { isNumeric, isOptional, pathOf, typeName, type Node, type NodeOf, type Place, type Type } from './tree.ts';

export class Checker {
  readonly problems: ExpressionProblem[] = [];
  readonly reads = new Set<string>();
  /** Fields that may be absent, each with its path. */
  readonly #doubts: { readonly path: string | null; readonly warning: ExpressionProblem }[] = [];
  /** Paths whose absence the expression reckons with: `has(event.a)`, `event.?a`. */
  readonly #asked = new Set<string>();
  readonly environment: Environment;
  readonly #text: string;
  readonly #locals: { name: string; type: Type }[] = [];

  constructor(text: string, environment: Environment) {
    this.#text = text;
    this.environment = environment;
  }

  problem(code: ProblemCode, message: string, { start, end }: Place, hint?: string): 'dyn' {
    this.problems.push(hint === undefined ? { code, message, start, end } : { code, message, hint, start, end });
    return 'dyn';
  }

  /** What may be meant otherwise. Complete when the whole tree has been visited. */
  get warnings(): readonly ExpressionProblem[] {
    return this.#doubts.filter(({ path }) => path === null || !this.#asked.has(path)).map(({ warning }) => warning);
  }

  /** The expression asks whether there is such a field, and so for all that it lies in. */
  asks(node: Node): void {
    for (let at = node; at.kind === 'select' || at.kind === 'index'; at = at.target) {
      const path = pathOf(at);
      if (path !== null) this.#asked.add(path);
    }
  }

  /** Sets and returns the node's type. */
  visit(node: Node, belowOther = false): Type {
    if (!belowOther) this.#read(node);
    node.type = this.#typeOf(node);
    return node.type;
  }

  /** How messages name a node. */
  subject(node: Node): string {
    return subjectOf(node, this.#text);
  }

  #typeOf(node: Node): Type {
    switch (node.kind) {
      case 'literal':
        return this.#literal(node);
      case 'name':
        return this.#name(node);
      case 'select':
        return this.#select(node);
      case 'index':
        return this.#index(node);
      case 'call':
        return checkCall(this, node);
      case 'unary':
        return this.#unary(node);
      case 'binary':
        return this.#binary(node);
      case 'conditional':
        this.condition(node.test, '? :');
        return unify(this.visit(node.yes), this.visit(node.no));
      case 'list':
        return { list: node.items.map((item) => this.visit(item)).reduce(unify, 'null') };
      case 'map':
        return this.#map(node);
      case 'macro':
        return this.#macro(node);
      case 'template':
        for (const part of node.parts) this.visit(part);
        return 'string';
    }
  }

  /** Must be true or false. */
  condition(node: Node, where: string): void {
    const type = this.visit(node);
    if (type === 'bool' || type === 'dyn') return;
    const subject = this.subject(node);
    const message = `${where} needs true or false, and ${subject} is ${typeName(type)}`;
    this.problem('type_mismatch', message, node, truthHint(subject, type));
  }

  #isLocal(name: string): boolean {
    return this.#locals.some((local) => local.name === name);
  }

  /** `meta` or `vars`, whose fields are known here. */
  #isRoot(node: Node, name: 'meta' | 'vars'): boolean {
    return node.kind === 'name' && node.name === name && !this.#isLocal(name) && this.environment.names.includes(name);
  }

  #read(node: Node): void {
    let at = node;
    let path: Node | null = null;
    while (at.kind === 'select' || at.kind === 'index') {
      if (at.kind === 'index') path = at.target;
      at = at.target;
    }
    if (at.kind !== 'name' || this.#isLocal(at.name) || !this.environment.names.includes(at.name)) return;
    this.reads.add(pathOf(path ?? node)!);
  }

  #literal({ value, type, start, end }: NodeOf<'literal'>): Type {
    if (value === null) return 'null';
    if (typeof value === 'bigint' && value >= 2n ** 63n) {
      return this.problem(
        'bad_literal',
        'the integer needs more than 64 bits',
        { start, end },
        `write decimal("${value}")`,
      );
    }
    if (typeof value === 'number' || typeof value === 'bigint') return type;
    return typeof value === 'boolean' ? 'bool' : 'string';
  }

  #name(node: NodeOf<'name'>): Type {
    const { name } = node;
    const local = this.#locals.findLast((candidate) => candidate.name === name);
    if (local !== undefined) return local.type;
    if (name === 'event' && this.environment.names.includes(name)) return this.environment.event;
    if (this.#isRoot(node, 'meta'))
      return this.problem(
        'unknown_name',
        'meta alone is no value',
        node,
        `read one of meta.${Object.keys(metaTypes).join(', meta.')}`,
      );
    if (this.#isRoot(node, 'vars'))
      return this.problem('unknown_name', 'vars alone is no value', node, 'read vars.NAME');
    if (this.environment.names.includes(name)) return 'dyn';
    return this.#unknownName(node);
  }

  #unknownName(node: NodeOf<'name'>): 'dyn' {
    const { name } = node;
    const alone = this.#text.trim() === name;
    const { event, vars } = this.environment;
    const known = Object.hasOwn(otherLiterals, name) ? otherLiterals[name] : undefined;
    if (known !== undefined) return this.problem('not_a_field', `${name} is not a name`, node, `write ${known}`);
    if (typeof event === 'object' && 'fields' in event && Object.hasOwn(event.fields, name)) {
      return this.problem('not_a_field', `${name} is not a name`, node, `for the field write event.${name}`);
    }
    if (Object.hasOwn(vars, name))
      return this.problem('not_a_field', `${name} is not a name`, node, `for the var write vars.${name}`);
    const near = closest(name, [...this.environment.names, ...this.#locals.map((local) => local.name)]);
    if (near !== undefined) return this.problem('not_a_field', `${name} is not a name`, node, `did you mean ${near}?`);
    if (otherEventNames.has(name) && this.#text[node.end] === '.')
      return this.problem('not_a_field', `${name} is not a name`, node, 'the event is called event');
    const text = JSON.stringify(name);
    const written = alone ? `'${text}'` : text;
    // Fields are written small as a rule; EUR alone is a text that lacks its quotes.
    const hint = alone && !/^[a-z]/.test(name) ? '' : `for a field write event.${name}, `;
    return this.problem('not_a_field', `${name} is not a field`, node, `${hint}for the text write ${written}`);
  }

  #select(node: NodeOf<'select'>): Type {
    const { target, field } = node;
    const place = { start: node.fieldStart, end: node.end };
    if (this.#isRoot(target, 'meta')) {
      if (Object.hasOwn(metaTypes, field)) return metaTypes[field]!;
      return this.#unknownField(`meta has no ${field}`, field, Object.keys(metaTypes), place);
    }
    if (this.#isRoot(target, 'vars')) {
      if (Object.hasOwn(this.environment.vars, field)) return typeOfVar(varValue(this.environment, field));
      return this.#unknownField(`vars has no ${field}`, field, Object.keys(this.environment.vars), place);
    }
    return this.#fieldOf(this.visit(target, true), node, field, place);
  }

  #fieldOf(type: Type, node: NodeOf<'select' | 'index'>, field: string, place: Place): Type {
    if (type === 'dyn' || type === 'null') return 'dyn';
    const holder = this.subject(node.target);
    if (typeof type === 'string' || 'list' in type) {
      const hint =
        typeof type === 'object' ? `write ${holder}[0].${field}, or ${holder}.map(x, x.${field})` : undefined;
      return this.problem('type_mismatch', `${holder} is ${typeName(type)}; it has no field ${field}`, place, hint);
    }
    if ('map' in type) return type.map;
    const path = pathOf(node);
    if (path !== null && isOptional(node)) this.#asked.add(path);
    const isAsked = isOptional(node) || (path !== null && this.#asked.has(path));
    const { type: found, problem, warning } = lookUpField(type, field, holder, isAsked);
    const { start, end } = place;
    if (problem !== undefined) this.problems.push({ ...problem, start, end });
    // What is said of a field that is asked for is that its name may be wrong, and asking does not mend that.
    if (warning !== undefined) this.#doubts.push({ path: isAsked ? null : path, warning: { ...warning, start, end } });
    return found;
  }

  #unknownField(message: string, field: string, known: readonly string[], place: Place): 'dyn' {
    const none = message.startsWith('vars ') ? 'declare it below vars:' : undefined;
    return this.problem('unknown_field', message, place, unknownFieldHint(field, known) ?? none);
  }

  #index(node: NodeOf<'index'>): Type {
    const { target, index } = node;
    if (this.#isRoot(target, 'meta') || this.#isRoot(target, 'vars')) {
      return this.problem(
        'unknown_name',
        `${this.subject(target)}[...] is not read`,
        node,
        `write ${this.subject(target)}.NAME`,
      );
    }
    const type = this.visit(target, true);
    const indexType = this.visit(index);
    if (type === 'dyn' || type === 'null') return 'dyn';
    if (typeof type === 'string')
      return this.problem('type_mismatch', `${this.subject(target)} is ${typeName(type)}; it has no elements`, node);
    if ('list' in type) {
      if (indexType === 'dyn' || indexType === 'int' || indexType === 'number') return type.list;
      return this.problem(
        'type_mismatch',
        `a list is indexed by an integer from 0, and ${this.subject(index)} is ${typeName(indexType)}`,
        index,
      );
    }
    if (index.kind === 'literal' && typeof index.value === 'string')
      return this.#fieldOf(type, node, index.value, index);
    if (indexType !== 'dyn' && indexType !== 'string') {
      return this.problem(
        'type_mismatch',
        `a map is indexed by a text, and ${this.subject(index)} is ${typeName(indexType)}`,
        index,
      );
    }
    return 'map' in type ? type.map : 'dyn';
  }

  #unary(node: NodeOf<'unary'>): Type {
    if (node.operator === '!') {
      this.condition(node.operand, '!');
      return 'bool';
    }
    const type = this.visit(node.operand);
    if (type === 'dyn' || type === 'duration' || isNumeric(type)) return type;
    return this.problem(
      'type_mismatch',
      `- needs a number, and ${this.subject(node.operand)} is ${typeName(type)}`,
      node.operand,
    );
  }

  #binary(node: NodeOf<'binary'>): Type {
    const { operator, left, right } = node;
    if (operator === '&&' || operator === '||') {
      this.condition(left, operator);
      this.condition(right, operator);
      return 'bool';
    }
    const [a, b] = [this.visit(left), this.visit(right)];
    const sides = (
      [
        [left, a],
        [right, b],
      ] as const
    ).filter(([, type]) => type !== 'dyn');
    const both = sides.map(([side, type]) => `${this.subject(side)} is ${typeName(type)}`).join(', ');
    if (operator === '==' || operator === '!=') {
      if (!sameKind(a, b))
        this.problem('type_mismatch', `these are never equal: ${both}`, node, conversionHint(this, node));
      return 'bool';
    }
    if (operator === 'in') {
      if (b === 'string')
        return this.problem(
          'type_mismatch',
          'in looks into a list or the keys of a map',
          node,
          `write contains(${this.subject(right)}, ${this.subject(left)})`,
        );
      if (b !== 'dyn' && typeof b === 'string')
        return this.problem(
          'type_mismatch',
          `in looks into a list or the keys of a map, and ${this.subject(right)} is ${typeName(b)}`,
          right,
        );
      if (
        typeof b === 'object' &&
        'list' in b &&
        right.kind === 'list' &&
        right.items.length > 0 &&
        !sameKind(a, b.list)
      ) {
        this.problem(
          'type_mismatch',
          `these are never equal: ${this.subject(left)} is ${typeName(a)}, the list holds ${typeName(b.list)}`,
          node,
        );
      }
      return 'bool';
    }
    const result = resultOf(operator, a, b);
    if (result !== undefined) return result;
    const chained = left.kind === 'binary' && a === 'bool' && operator.length <= 2 && /[<>]/.test(operator);
    const hint = chained ? 'comparisons do not chain: write a < b && b < c' : conversionHint(this, node);
    return this.problem(
      'type_mismatch',
      `${operator} does not take ${sides.length === 1 ? 'this' : 'these'}: ${both}`,
      node,
      hint,
    );
  }

  #map(node: NodeOf<'map'>): Type {
    const fields: Record<string, Type> = Object.create(null) as Record<string, Type>;
    let literal = true;
    for (const { key, value } of node.entries) {
      const type = this.visit(key);
      if (type !== 'string' && type !== 'dyn') {
        const hint = key.kind === 'name' ? `write "${key.name}"` : undefined;
        this.problem(
          'type_mismatch',
          `the keys of a map are texts, and ${this.subject(key)} is ${typeName(type)}`,
          key,
          hint,
        );
      }
      const valueType = this.visit(value);
      if (key.kind !== 'literal' || typeof key.value !== 'string') literal = false;
      else if (key.value in fields)
        this.problem('type_mismatch', `the key ${JSON.stringify(key.value)} stands twice`, key);
      else fields[key.value] = valueType;
    }
    return literal ? { fields } : { map: 'dyn' };
  }

  #macro(node: NodeOf<'macro'>): Type {
    const type = this.visit(node.list);
    let item: Type = 'dyn';
    if (typeof type === 'object' && 'list' in type) item = type.list;
    else if (type !== 'dyn')
      this.problem(
        'type_mismatch',
        `${node.macro} goes over a list, and ${this.subject(node.list)} is ${typeName(type)}`,
        node.list,
      );
    if (['meta', 'vars', ...this.environment.names].includes(node.variable)) {
      this.problem(
        'unknown_name',
        `${node.variable} has a meaning of its own and can't be the variable`,
        node,
        'take another name, such as x',
      );
    }
    this.#locals.push({ name: node.variable, type: item });
    if (node.where !== null) this.condition(node.where, node.macro);
    let result: Type = 'bool';
    if (node.macro === 'map') result = { list: this.visit(node.body) };
    else {
      this.condition(node.body, node.macro);
      if (node.macro === 'filter') result = { list: item };
    }
    this.#locals.pop();
    return result;
  }
}

/** A path, or the beginning of the text of what is computed. */
export function subjectOf(node: Node, text: string): string {
  const written = pathOf(node) ?? text.slice(node.start, node.end).replace(/\s+/g, ' ');
  return written.length > 60 ? `${written.slice(0, 57)}...` : written;
}

function typeOfVar(value: unknown): Type {
  switch (typeof value) {
    case 'string':
      return 'string';
    case 'boolean':
      return 'bool';
    case 'bigint':
      return 'int';
    case 'number':
      return Number.isSafeInteger(value) ? 'int' : 'double';
    default:
      return value === null ? 'null' : Array.isArray(value) ? { list: 'dyn' } : 'dyn';
  }
}
