/**
 * Typed tree -> JavaScript. One expression becomes one JavaScript expression with the common case inlined (two numbers,
 * an own field that is there) and a call into `runtime` for everything else. Nothing of the source is written into the
 * code but through JSON.stringify; what is no plain literal comes in as a constant by closure.
 */
import { subjectOf } from './check.ts';
import { constantText } from './check-call.ts';
import { unknownVar, varValue, type Environment } from './environment.ts';
import { functions } from './functions.ts';
import { runtime } from './runtime.ts';
import { surely } from './surely.ts';
import { isPrepared, prepare, type Parameter } from './signature.ts';
import { isOptional, pathOf, type BinaryOperator, type Node, type NodeOf } from './tree.ts';
import { isDirectlyReadable } from './values.ts';

/** What an expression may read at run time; the engine's record is one. */
export interface Scope {
  readonly event: unknown;
  readonly key: unknown;
  /** A `Meta`. */
  readonly meta: unknown;
}

/** A tree with what it was compiled against. */
export interface Unit {
  readonly text: string;
  readonly tree: Node;
  readonly environment: Environment;
  /** The value must be true or false. */
  readonly condition: boolean;
}

const q = (text: string): string => JSON.stringify(text);
const arithmetic: Partial<Record<BinaryOperator, string>> = {
  '+': 'add',
  '-': 'subtract',
  '*': 'multiply',
  '/': 'divide',
};

/** Compiles one expression. */
export function generateValue(unit: Unit): (scope: Scope) => unknown {
  const generator = new Generator();
  const code = generator.value(unit);
  return generator.build(`return ${code};`) as (scope: Scope) => unknown;
}

/** Compiles several expressions to one function that builds an object of them, always of the same shape. */
export function generateObject(
  units: readonly (readonly [field: string, unit: Unit])[],
): (scope: Scope) => Record<string, unknown> {
  const generator = new Generator();
  // Computed, since "__proto__": value would set the prototype.
  const properties = units.map(
    ([field, unit], i) =>
      `${field === '__proto__' ? `[${q(field)}]` : q(field)}: (at = ${i}, ${generator.value(unit)})`,
  );
  const body = `return { ${properties.join(', ')} };`;
  return generator.build(located(generator, units, body)) as (scope: Scope) => Record<string, unknown>;
}

/** Like `generateObject`, but the fields are set on the event itself, once all are computed. Returns the event. */
export function generateAssign(
  units: readonly (readonly [field: string, unit: Unit])[],
): (scope: Scope) => Record<string, unknown> {
  const generator = new Generator();
  const values = units.map(([, unit], i) => `at = ${i}; const r${i} = ${generator.value(unit)};`);
  const sets = units.map(([field], i) =>
    field === '__proto__' ? `$.assign(o, ${q(field)}, r${i});` : `o[${q(field)}] = r${i};`,
  );
  const body = `const o = $.target(scope.event); ${values.join(' ')} ${sets.join(' ')} return o;`;
  return generator.build(located(generator, units, body)) as (scope: Scope) => Record<string, unknown>;
}

function located(generator: Generator, units: readonly (readonly [field: string, unit: Unit])[], body: string): string {
  const fields = generator.constant(units.map(([field]) => field));
  return `let at = 0; try { ${body} } catch (error) { throw $.located(error, ${fields}[at]); }`;
}

class Generator {
  readonly #constants: unknown[] = [];
  readonly #roots = new Set<string>();
  /** Temporaries of the function being written; a loop's body is a function of its own. */
  #temporaries: string[] = [];
  #count = 0;
  readonly #locals: { name: string; code: string }[] = [];
  #unit!: Unit;

  value(unit: Unit): string {
    this.#unit = unit;
    return unit.condition ? this.#condition(unit.tree, 'the condition') : this.#emit(unit.tree);
  }

  /** A name in the generated code for a value from outside. */
  constant(value: unknown): string {
    const known = this.#constants.indexOf(value);
    return `k${known === -1 ? this.#constants.push(value) - 1 : known}`;
  }

  build(body: string): unknown {
    const roots: string[] = [];
    for (const root of this.#roots) {
      const read = `scope[${q(root)}]`;
      if (root === 'meta') roots.push(`const meta = ${read};`);
      else roots.push(`let root_${root} = ${read}; if (root_${root} === undefined) root_${root} = null;`);
      if (root === 'event')
        roots.push('const e = typeof root_event === "object" && root_event !== null ? root_event : $.noFields;');
    }
    const temporaries = this.#temporaries.length === 0 ? '' : `let ${this.#temporaries.join(', ')};`;
    const constants = this.#constants.map((_, i) => `const k${i} = constants[${i}];`).join(' ');
    const code = `"use strict"; ${constants} return function (scope) { ${roots.join(' ')} ${temporaries} ${body} };`;
    // The code holds nothing of the source but what JSON.stringify wrote.
    // oxlint-disable-next-line typescript/no-implied-eval
    const compile = new Function('$', 'constants', code) as (
      helpers: typeof runtime,
      constants: readonly unknown[],
    ) => unknown;
    return compile(runtime, this.#constants);
  }

  #temporary(): string {
    const name = `t${this.#count++}`;
    this.#temporaries.push(name);
    return name;
  }

  #subject(node: Node): string {
    return q(subjectOf(node, this.#unit.text));
  }

  /** Code of an expression that is never undefined, in parentheses where that matters. */
  #emit(node: Node): string {
    switch (node.kind) {
      case 'literal':
        return literal(node.value);
      case 'name':
        return this.#name(node.name);
      case 'select':
        return this.#select(node);
      case 'index':
        return this.#index(node);
      case 'call':
        return this.#call(node);
      case 'unary':
        if (node.operator === '!') return `!${this.#condition(node.operand, '!')}`;
        return `$.negate(${this.#emit(node.operand)}, ${this.#subject(node.operand)})`;
      case 'binary':
        return this.#binary(node);
      case 'conditional':
        return `(${this.#condition(node.test, '? :')} ? ${this.#emit(node.yes)} : ${this.#emit(node.no)})`;
      case 'list':
        return `[${node.items.map((item) => this.#emit(item)).join(', ')}]`;
      case 'map':
        return this.#map(node);
      case 'macro':
        return this.#macro(node);
      case 'template':
        return this.#template(node);
    }
  }

  #name(name: string): string {
    const local = this.#locals.findLast((candidate) => candidate.name === name);
    if (local !== undefined) return local.code;
    this.#roots.add(name);
    return `root_${name}`;
  }

  /** `meta` or `vars`, unless a loop's variable is called so (the checker refuses that). */
  #isRoot(node: Node, name: string): boolean {
    return node.kind === 'name' && node.name === name;
  }

  #select(node: NodeOf<'select'>): string {
    const { target, field } = node;
    if (this.#isRoot(target, 'vars')) return this.#var(field);
    if (this.#isRoot(target, 'meta')) {
      this.#roots.add('meta');
      return `(meta[${q(field)}] ?? null)`;
    }
    return this.#field(target, field, isOptional(node));
  }

  #var(name: string): string {
    const value = varValue(this.#unit.environment, name);
    if (value === unknownVar) return `$.notKnown(${q(`vars.${name}`)})`;
    return typeof value === 'number' && Number.isFinite(value) ? literal(value) : this.constant(value ?? null);
  }

  #field(target: Node, field: string, optional: boolean): string {
    const slow = optional ? 'selectOptional' : 'select';
    const read = `${slow}(`;
    const subject = this.#subject(target);
    if (!isDirectlyReadable(field)) return `$.${read}${this.#emit(target)}, ${q(field)}, ${subject})`;
    const value = this.#temporary();
    if (target.kind === 'name' && target.name === 'event' && !this.#locals.some((local) => local.name === 'event')) {
      this.#roots.add('event');
      return `((${value} = e[${q(field)}]) !== undefined ? ${value} : $.${read}root_event, ${q(field)}, ${subject}))`;
    }
    const holder = this.#temporary();
    const present = `(${holder} = ${this.#emit(target)}) != null && (${value} = ${holder}[${q(field)}]) !== undefined`;
    return `(${present} ? ${value} : $.${read}${holder}, ${q(field)}, ${subject}))`;
  }

  #index(node: NodeOf<'index'>): string {
    const { target, index } = node;
    const optional = isOptional(node);
    if (index.kind === 'literal' && typeof index.value === 'string') return this.#field(target, index.value, optional);
    const args = `${this.#emit(target)}, ${this.#emit(index)}, ${this.#subject(target)}`;
    return optional
      ? `$.elementOptional(${args})`
      : `$.element(${args}, ${q(pathOf(node) ?? subjectOf(node, this.#unit.text))})`;
  }

  /** Reads without failing: undefined where anything on the way is absent. */
  #peek(node: Node): string {
    if (node.kind !== 'select' && node.kind !== 'index') return this.#emit(node);
    if (this.#isRoot(node.target, 'meta') || this.#isRoot(node.target, 'vars')) return this.#emit(node);
    return `$.peek(${this.#peek(node.target)}, ${node.kind === 'select' ? q(node.field) : this.#emit(node.index)})`;
  }

  /** Code that gives true or false, or fails. */
  #condition(node: Node, where: string): string {
    if (surely(node, 'bool')) return this.#emit(node);
    const value = this.#temporary();
    return `((${value} = ${this.#emit(node)}) === true || (${value} !== false && $.needBool(${value}, ${this.#subject(node)}, ${q(where)})))`;
  }

  #binary(node: NodeOf<'binary'>): string {
    const { operator, left, right } = node;
    switch (operator) {
      case '&&':
      case '||':
        return `(${this.#condition(left, operator)} ${operator} ${this.#condition(right, operator)})`;
      case '==':
        return this.#equal(left, right);
      case '!=':
        return `!${this.#equal(left, right)}`;
      case 'in':
        return `$.isIn(${this.#emit(left)}, ${this.#emit(right)}, ${this.#subject(left)}, ${this.#subject(right)})`;
      case '%':
        return `$.remainder(${this.#emit(left)}, ${this.#emit(right)}, ${this.#subject(left)}, ${this.#subject(right)})`;
      default:
    }
    const [a, b] = [this.#operand(left), this.#operand(right)];
    const check = [a.isNumber, b.isNumber].filter((test) => test !== '').join(' && ');
    const before = a.before + b.before;
    const subjects = `${this.#subject(left)}, ${this.#subject(right)}`;
    const slow = arithmetic[operator];
    if (slow === undefined) {
      const [plain, compared] = [
        `${a.code} ${operator} ${b.code}`,
        `$.compare(${a.code}, ${b.code}, ${subjects}, ${q(operator)}) ${operator} 0`,
      ];
      return `(${before}${check === '' ? plain : `${check} ? ${plain} : ${compared}`})`;
    }
    const double = left.type === 'double' || right.type === 'double' ? ', true' : '';
    const call = `$.${slow}(${a.code}, ${b.code}, ${subjects}${double})`;
    if (surely(left, 'string') || surely(right, 'string')) return `(${before}${call})`;
    const result = this.#temporary();
    const inRange = `(${result} = ${a.code} ${operator} ${b.code}) <= 9007199254740991 && ${result} >= -9007199254740991`;
    return `(${before}${check === '' ? '' : `${check} && `}${inRange} ? ${result} : ${call})`;
  }

  /** An operand that is read twice: a small literal as it is, everything else through a temporary. */
  #operand(node: Node): { code: string; before: string; isNumber: string } {
    if (node.kind === 'literal' && typeof node.value === 'number')
      return { code: literal(node.value), before: '', isNumber: '' };
    const code = this.#temporary();
    return { code, before: `${code} = ${this.#emit(node)}, `, isNumber: `typeof ${code} === "number"` };
  }

  #equal(left: Node, right: Node): string {
    const [value, other] = left.kind === 'literal' ? [right, left] : [left, right];
    if (other.kind === 'literal') {
      const code = literal(other.value);
      if (typeof other.value !== 'number' && typeof other.value !== 'bigint')
        return `(${this.#emit(value)} === ${code})`;
      const held = this.#temporary();
      return `((${held} = ${this.#emit(value)}) === ${code} || ((typeof ${held} === "object" || typeof ${held} !== ${q(typeof other.value)}) && $.equal(${held}, ${code})))`;
    }
    const [a, b] = [this.#temporary(), this.#temporary()];
    return `((${a} = ${this.#emit(left)}) === (${b} = ${this.#emit(right)}) || $.equal(${a}, ${b}))`;
  }

  #map(node: NodeOf<'map'>): string {
    if (node.entries.every(({ key }) => key.kind === 'literal' && typeof key.value === 'string')) {
      const properties = node.entries.map(
        ({ key, value }) => `[${literal((key as NodeOf<'literal'>).value)}]: ${this.#emit(value)}`,
      );
      return `({ ${properties.join(', ')} })`;
    }
    return `$.mapOf(${[this.#subject(node), ...node.entries.flatMap(({ key, value }) => [this.#emit(key), this.#emit(value)])].join(', ')})`;
  }

  #macro(node: NodeOf<'macro'>): string {
    const list = this.#emit(node.list);
    const outermost = this.#locals.length === 0;
    const subject = this.#subject(node.list);
    const loop = (macro: string, over: string, body: Node, isTest: boolean, first: boolean): string => {
      const code = `v${this.#count++}`;
      const outer = this.#temporaries;
      this.#temporaries = [];
      this.#locals.push({ name: node.variable, code });
      const value = isTest ? this.#condition(body, node.macro) : this.#emit(body);
      this.#locals.pop();
      const temporaries = this.#temporaries.length === 0 ? '' : `let ${this.#temporaries.join(', ')}; `;
      this.#temporaries = outer;
      return `$.${macro}(${over}, (${code}) => { ${temporaries}return ${value}; }, ${subject}, ${first})`;
    };
    const over = node.where === null ? list : loop('filter', list, node.where, true, outermost);
    const macro = node.macro === 'exists_one' ? 'existsOne' : node.macro;
    return loop(macro, over, node.body, macro !== 'map', outermost && node.where === null);
  }

  #template(node: NodeOf<'template'>): string {
    const parts = node.parts.map((part) => {
      if (surely(part, 'string')) return this.#emit(part);
      const value = this.#temporary();
      return `(typeof (${value} = ${this.#emit(part)}) === "string" ? ${value} : $.textOf(${value}, ${this.#subject(part)}))`;
    });
    return parts.length === 1 ? parts[0]! : `$.sized(${parts.join(' + ')}, "the text")`;
  }

  #call(node: NodeOf<'call'>): string {
    const { name, args } = node;
    if (name === 'has') return `(${this.#peek(args[0]!)} !== undefined)`;
    if (name === 'coalesce') return this.#coalesce(args);
    if (name === 'cases') {
      const last = this.#emit(args.at(-1)!);
      const branches = args
        .slice(0, -1)
        .map((arg, i) => (i % 2 === 0 ? `${this.#condition(arg, 'cases')} ? ` : `${this.#emit(arg)} : `));
      return `(${branches.join('')}${last})`;
    }
    const spec = functions.get(name)!;
    const codes = args.map((arg, i) =>
      this.#argument(name, arg, spec.parameters[Math.min(i, spec.parameters.length - 1)]!),
    );
    return `${this.constant(spec.run)}(${[this.#subject(args[0]!), ...codes].join(', ')})`;
  }

  #coalesce(args: readonly Node[]): string {
    const last = this.#emit(args.at(-1)!);
    const tests = args.slice(0, -1).map((arg) => {
      const value = this.#temporary();
      return `(${value} = ${this.#emit(arg)}) !== null ? ${value} : `;
    });
    return `(${tests.join('')}${last})`;
  }

  #argument(name: string, node: Node, { kind }: Parameter): string {
    if (kind === 'any') return this.#emit(node);
    const rest = `${this.#subject(node)}, ${q(name)})`;
    if (isPrepared(kind)) {
      const text = constantText(node, this.#unit.environment);
      return typeof text === 'string' ? this.constant(prepare[kind](text)) : this.#emit(node);
    }
    switch (kind) {
      case 'number':
        return `$.needNumber(${this.#emit(node)}, ${rest}`;
      case 'int':
        return `$.needInt(${this.#emit(node)}, ${rest}`;
      case 'bool':
        return this.#condition(node, name);
      case 'list':
        return `$.needList(${this.#emit(node)}, ${rest}`;
      case 'timestamp':
        return `$.needTimestamp(${this.#emit(node)}, ${rest}`;
      default: {
        if (surely(node, 'string')) return this.#emit(node);
        const value = this.#temporary();
        return `(typeof (${value} = ${this.#emit(node)}) === "string" ? ${value} : $.needString(${value}, ${rest})`;
      }
    }
  }
}

function literal(value: NodeOf<'literal'>['value']): string {
  if (typeof value === 'bigint') return `(${value}n)`;
  if (typeof value === 'number') return value < 0 ? `(${value})` : String(value);
  return JSON.stringify(value);
}
