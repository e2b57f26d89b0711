/**
 * Builds `dist`: the command line and what it always needs in few files, every other part loaded when it is called for.
 * Loading some two hundred small modules took longer than what `validate` does with them, and so did compiling schemas.
 */
import { readFileSync, rmSync } from 'node:fs';
import { extname, relative, resolve } from 'node:path';
import { build } from 'esbuild';
import { validatorsModule } from './schemas/validators.ts';
import { components } from './src/definition/components.ts';

const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
// Needed at every start, so they are built in; all others stay packages that are loaded when they are used.
const builtIn = ['big.js', 'commander', 'yaml'];

const compiledValidators = {
  name: 'compiled-validators',
  setup({ onLoad }) {
    onLoad({ filter: /[/\\]compiled-validators\.ts$/ }, () => ({
      contents: validatorsModule(components),
      resolveDir: 'src/definition',
    }));
  },
};

/**
 * commander and yaml ask for modules of Node that they hardly use, or whose mere loading reads all that they offer
 * (`process.stdin`, `util.parseArgs`): together a good part of what `validate` takes.
 */
const lightBuiltins = {
  'node:child_process': 'export default {}',
  'node:process': 'export default globalThis.process',
  process: 'export const emitWarning = process.emitWarning, env = process.env',
  'node:util': `export const stripVTControlCharacters = (text) =>
    process.getBuiltinModule('node:util').stripVTControlCharacters(text)`,
};
const withLightBuiltins = {
  name: 'light-builtins',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^(node:child_process|(node:)?process|node:util)$/ }, ({ path, importer }) =>
      /[/\\]node_modules[/\\](commander|yaml)[/\\]/.test(importer) ? { path, namespace: 'light-builtin' } : null,
    );
    onLoad({ filter: /./, namespace: 'light-builtin' }, ({ path }) => ({ contents: lightBuiltins[path] }));
  },
};

const options = {
  outdir: 'dist',
  outbase: 'src',
  chunkNames: 'cli/[name]-[hash]',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  external: Object.keys(dependencies).filter((name) => !builtIn.includes(name)),
  // Packages in CommonJS that are built in ask for Node's own modules by `require`.
  banner: {
    js: "import { createRequire as nodeRequire } from 'node:module'; const require = nodeRequire(import.meta.url);",
  },
  minifySyntax: true,
  minifyWhitespace: true,
  metafile: true,
  logLevel: 'warning',
};
const plugins = [compiledValidators, withLightBuiltins];
const main = 'src/cli/main.ts';

/** What `validate` needs whatever the pipeline says. */
const always = ['src/cli/environment.ts', 'src/cli/validate.ts', 'src/plan/index.ts'];
const { metafile } = await build({ ...options, entryPoints: [main, ...always], plugins, write: false });
const staticallyFrom = (...files) => {
  const found = new Set();
  const visit = (file) => {
    if (found.has(file) || metafile.inputs[file] === undefined) return;
    found.add(file);
    for (const { path, kind } of metafile.inputs[file].imports) if (kind !== 'dynamic-import') visit(path);
  };
  files.forEach(visit);
  return found;
};
const inCore = new Set([...staticallyFrom(main), ...staticallyFrom(...always)]);

/**
 * esbuild puts into one chunk what the same entry points need, which cuts the core of the program into some forty files,
 * each resolved and read by itself. When every module beyond the core asks for all of it, it becomes one.
 */
const oneCore = {
  name: 'one-core',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^pipectl:core$/ }, () => ({ path: 'core', namespace: 'core' }));
    onLoad({ filter: /./, namespace: 'core' }, () => ({
      contents: [...always, 'node_modules/commander/index.js'].map((file) => `import './${file}';`).join('\n'),
      resolveDir: resolve('.'),
    }));
    onLoad({ filter: /[/\\]src[/\\].*\.tsx?$/ }, ({ path }) => {
      if (inCore.has(relative('.', path).replaceAll('\\', '/'))) return null;
      return { contents: `import 'pipectl:core';\n${readFileSync(path, 'utf8')}`, loader: extname(path).slice(1) };
    });
  },
};

rmSync('dist', { recursive: true, force: true });
await build({ ...options, entryPoints: [main], plugins: [...plugins, oneCore] });
// Loaded into the processes of a drill before the program is, and nothing of the program with it.
await build({ ...options, entryPoints: ['src/operations/drill/member.ts'], splitting: false });
