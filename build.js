/**
 * Builds `dist`: the command line and what it always needs in few files, every other part loaded when it is called for.
 * Loading some two hundred small modules took longer than what `validate` does with them.
 */
import { readFileSync, rmSync } from 'node:fs';
import { build } from 'esbuild';

const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8'));
// Needed at every start, so they are built in; all others stay packages that are loaded when they are used.
const builtIn = ['big.js', 'commander', 'yaml'];

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
  logLevel: 'warning',
});
