/** The typed tree of an expression: what the checker fills, the generator reads, and another compiler may read later. */

/** `number` is an integer, a double or a decimal that is known only at run time. Every type may also be null. */
export type SimpleType =
  | 'bool'
  | 'int'
  | 'double'
  | 'decimal'
  | 'number'
  | 'string'
  | 'bytes'
  | 'timestamp'
  | 'duration'
  | 'null'
  | 'dyn';

export type Type = SimpleType | { readonly list: Type } | { readonly map: Type } | ObjectType;

export interface ObjectType {
  readonly fields: Readonly<Record<string, Type>>;
  /** It may have more fields than these. */
  readonly open?: boolean;
  /** Where a schema describes it: all others may be absent. Without, nothing is known about that. */
  readonly required?: readonly string[];
  /** Fields that are gone, each with the step that removed it. */
  readonly removed?: Readonly<Record<string, string>>;
  /** Fields that the events of some source do not have, each with that source. */
  readonly lacking?: Readonly<Record<string, string>>;
}

export const isObjectType = (type: Type): type is ObjectType => typeof type === 'object' && 'fields' in type;

/** Offsets into the expression's text; `end` is exclusive. */
export interface Place {
  readonly start: number;
  readonly end: number;
}

export type UnaryOperator = '-' | '!';
export type BinaryOperator = '+' | '-' | '*' | '/' | '%' | '==' | '!=' | '<' | '<=' | '>' | '>=' | '&&' | '||' | 'in';
export type MacroName = 'all' | 'exists' | 'exists_one' | 'map' | 'filter';

export type LiteralValue = null | boolean | number | bigint | string;

/** `type` is `dyn` until the checker has been there. */
export type Node = Place & { type: Type } & (
    | { readonly kind: 'literal'; readonly value: LiteralValue }
    /** One of the roots (`event`, `key`, `meta`, ...) or the variable of a macro around it. */
    | { readonly kind: 'name'; readonly name: string }
    /** `target.field`; `optional` is `target.?field`. */
    | {
        readonly kind: 'select';
        readonly target: Node;
        readonly field: string;
        readonly optional: boolean;
        readonly fieldStart: number;
      }
    | { readonly kind: 'index'; readonly target: Node; readonly index: Node; readonly optional: boolean }
    /** `method` tells how it was written; the receiver is the first of `args` either way. */
    | {
        readonly kind: 'call';
        readonly name: string;
        readonly args: readonly Node[];
        readonly method: boolean;
        readonly nameStart: number;
      }
    | { readonly kind: 'unary'; readonly operator: UnaryOperator; readonly operand: Node }
    | { readonly kind: 'binary'; readonly operator: BinaryOperator; readonly left: Node; readonly right: Node }
    | { readonly kind: 'conditional'; readonly test: Node; readonly yes: Node; readonly no: Node }
    | { readonly kind: 'list'; readonly items: readonly Node[] }
    | { readonly kind: 'map'; readonly entries: readonly { readonly key: Node; readonly value: Node }[] }
    /** `list.map(variable, body)`; `list.map(variable, where, body)`. */
    | {
        readonly kind: 'macro';
        readonly macro: MacroName;
        readonly list: Node;
        readonly variable: string;
        readonly where: Node | null;
        readonly body: Node;
      }
    /** Text with `{...}` in it: the parts one after the other, as text. */
    | { readonly kind: 'template'; readonly parts: readonly Node[] }
  );

export type NodeOf<K extends Node['kind']> = Extract<Node, { kind: K }>;

/** `event.customer.id`, `event.lines[0]`: how an error names what a node reads; null for what is computed. */
export function pathOf(node: Node): string | null {
  if (node.kind === 'name') return node.name;
  if (node.kind === 'select') {
    const target = pathOf(node.target);
    return target === null ? null : `${target}.${node.field}`;
  }
  if (node.kind === 'index') {
    const target = pathOf(node.target);
    if (target === null) return null;
    if (node.index.kind === 'literal') {
      const { value } = node.index;
      return typeof value === 'string' ? `${target}[${JSON.stringify(value)}]` : `${target}[${String(value)}]`;
    }
    return `${target}[...]`;
  }
  return null;
}

/** True for `event.?a` and for everything below it: absent there means null. */
export function isOptional(node: Node): boolean {
  return (node.kind === 'select' || node.kind === 'index') && (node.optional || isOptional(node.target));
}

/** The type in a person's words. */
export function typeName(type: Type): string {
  if (typeof type === 'string') return type === 'dyn' ? 'a value of unknown type' : typeNames[type];
  return 'list' in type ? 'a list' : 'a map';
}

const typeNames: Record<Exclude<SimpleType, 'dyn'>, string> = {
  bool: 'true or false',
  int: 'an integer',
  double: 'a double',
  decimal: 'a decimal',
  number: 'a number',
  string: 'text',
  bytes: 'bytes',
  timestamp: 'a timestamp',
  duration: 'a duration',
  null: 'null',
};

export const isNumeric = (type: Type): boolean =>
  type === 'int' || type === 'double' || type === 'decimal' || type === 'number';
