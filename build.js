/**
 * Builds `dist`: the command line and what it always needs in few files, every other part loaded when it is called for.
 * Loading some two hundred small modules took longer than what `validate` does with them, and so did compiling schemas.
 */
import { readFileSync, rmSync } from 'node:fs';
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

rmSync('dist', { recursive: true, force: true });
await build({
  entryPoints: ['src/cli/main.ts'],
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
  plugins: [compiledValidators],
  logLevel: 'warning',
});
