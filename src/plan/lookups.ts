/** The lookups of a pipeline: named in the file, asked by steps, attached when it runs. */
import type { BuildContext, LookupDeclaration } from '../declaration/component.ts';
import type { LookupUse, ValuePath } from '../definition/pipeline.ts';
import type { ProblemList } from '../definition/problems.ts';
import { listed, suggestion } from '../definition/suggestion.ts';
import type { Lookup } from '../engine/ports.ts';
import type { Type } from '../expressions/index.ts';

/** A lookup as steps hold it. The same plan can run over another one: what `attach` was given last answers. */
export class PlannedLookup implements Pick<Lookup, 'get'> {
  readonly use: LookupUse;
  readonly declaration: LookupDeclaration;
  #lookup: Pick<Lookup, 'get'> | null = null;

  constructor(use: LookupUse, declaration: LookupDeclaration) {
    this.use = use;
    this.declaration = declaration;
  }

  attach(lookup: Pick<Lookup, 'get'>): void {
    this.#lookup = lookup;
  }

  get(key: string): Readonly<Record<string, unknown>> | undefined {
    if (this.#lookup === null) throw new Error(`lookup ${this.use.name} is asked before it was attached`);
    return this.#lookup.get(key);
  }
}

/** Gives steps the lookups they name. */
export class PlannedLookups {
  readonly #names: readonly string[];
  readonly #declared: Readonly<Record<string, LookupUse>>;
  readonly #components: readonly LookupDeclaration[];
  readonly #problems: ProblemList;
  readonly #used = new Map<string, PlannedLookup>();

  /** `names` are those that a step may ask for: also of lookups that are declared and not used, or not sound. */
  constructor(
    declared: Readonly<Record<string, LookupUse>>,
    names: readonly string[],
    components: readonly LookupDeclaration[],
    problems: ProblemList,
  ) {
    this.#declared = declared;
    this.#names = names;
    this.#components = components;
    this.#problems = problems;
  }

  get used(): readonly PlannedLookup[] {
    return [...this.#used.values()];
  }

  /** The lookup a step names at `path`. Where there is none, that is told, and one without rows given. */
  named(name: string, path: ValuePath): Pick<Lookup, 'get'> {
    const former = this.#used.get(name);
    if (former !== undefined) return former;
    const use = Object.hasOwn(this.#declared, name) ? this.#declared[name] : undefined;
    const declaration = this.#components.find((component) => component.name === use?.component);
    if (use === undefined || declaration === undefined) {
      // What is declared and not sound has been told of.
      if (!this.#problems.hasErrorsBelow(['lookups', name])) this.#unknown(name, path);
      return { get: () => undefined };
    }
    const planned = new PlannedLookup(use, declaration);
    this.#used.set(name, planned);
    return planned;
  }

  /** Type of the rows of a lookup. */
  row(name: string): Type {
    const planned = this.#used.get(name);
    return planned === undefined ? 'dyn' : planned.declaration.row(planned.use.options as never);
  }

  /** Checks the options of every lookup; warns of those that no step reads. */
  check(contextOf: (use: LookupUse) => BuildContext): void {
    for (const [name, use] of Object.entries(this.#declared)) {
      const declaration = this.#components.find((component) => component.name === use.component);
      declaration?.check?.(use.options as never, contextOf(use));
      // Steps after a broken one were not compiled, and an unknown name may mean this lookup.
      if (this.#used.has(name) || this.#problems.hasErrors) continue;
      this.#problems.at(['lookups', name], 'lookup_unused', `no step reads lookup ${name}`, {
        on: 'key',
        severity: 'warning',
      });
    }
  }

  #unknown(name: string, path: ValuePath): void {
    const known = this.#names;
    const near = suggestion(name, known);
    const message = `there is no lookup "${name}"${near === null ? '' : `; did you mean "${near}"?`}`;
    const example = `lookups: { ${name}: { file: { path: ${name}.csv, key: id } } }`;
    const hint = known.length > 0 ? `lookups: ${listed(known, 'and')}` : `declare it: ${example}`;
    this.#problems.at(path, 'lookup_unknown', message, { hint });
  }
}
