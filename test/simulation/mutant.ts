import { readFileSync } from 'node:fs';
import path from 'node:path';
import { build } from 'esbuild';
import type { PlantedBug } from './bugs.ts';
import type { simulate } from './run.ts';

const root = path.resolve(import.meta.dirname, '../..');

/**
 * The simulation and the engine in it, from a copy of their source text that has the bug. Rejects when the text to be
 * replaced is not there exactly once.
 */
export async function plant({ name, file, find, replace }: PlantedBug): Promise<typeof simulate> {
  const planted = path.join(root, file);
  const text = readFileSync(planted, 'utf8');
  const times = text.split(find).length - 1;
  if (times !== 1) throw new Error(`planted bug "${name}": its text is found ${times} times in ${file}`);
  const { outputFiles } = await build({
    entryPoints: [path.join(root, 'test/simulation/run.ts')],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'node',
    target: 'node24',
    plugins: [
      {
        name: 'plant',
        setup({ onLoad }) {
          onLoad({ filter: /\.ts$/ }, (args) =>
            args.path === planted ? { contents: text.replace(find, () => replace), loader: 'ts' } : undefined,
          );
        },
      },
    ],
  });
  const code = Buffer.from(outputFiles[0]!.contents).toString('base64');
  const mutant = (await import(`data:text/javascript;base64,${code}`)) as { simulate: typeof simulate };
  return mutant.simulate;
}
