/**
 * `npm run quickstart`: installs and builds what is missing, then hands over to main.ts on the Node of the project.
 * Plain JavaScript without dependencies: it must run from a clean clone, on whatever Node the machine has.
 */
import { spawn, spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { isInstalled } from '../test/installed.js';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const binaries = path.join(root, 'node_modules', '.bin');
process.chdir(root);

if (!isInstalled(root)) step('installing packages', 'npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
step('building', path.join(binaries, 'node'), ['--run', 'build']);

// Ctrl-C is for the pipeline: the quickstart itself goes on to show what came out of it.
process.on('SIGINT', () => {});
const main = spawn(path.join(binaries, 'node'), ['--import', 'tsx', 'quickstart/main.ts'], { stdio: 'inherit' });
process.on('SIGTERM', () => main.kill('SIGTERM'));
main.on('exit', (code) => process.exit(code ?? 1));

/** Runs a command to its end, or ends the quickstart with its code. */
function step(doing, command, args) {
  process.stdout.write(`${doing}\n`);
  const { status, error } = spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  if (error) process.stderr.write(`${error.message}\n`);
  if (status !== 0) process.exit(status ?? 1);
}
