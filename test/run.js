/**
 * `npm test`: installs what is missing, then runs every check and all tests, and says how long each took.
 * Plain JavaScript without dependencies: it must run from a clean clone, on whatever Node the machine has.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { isInstalled } from './installed.js';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const binaries = path.join(root, 'node_modules', '.bin');
const results = path.join(root, '.cache', 'test-results');
const scripts = ['build', 'typecheck', 'lint', 'format:check', 'knip', 'package:check'];
// Apart, so that services that do not start hide nothing but the tests that need them.
const tests = { unit: ['unit', 'simulation'], integration: ['integration'] };

process.chdir(root);
const phases = [];
const total = { passed: 0, failed: 0 };

if (!isInstalled(root) && !phase('npm ci', 'npm', ['ci', '--no-audit', '--no-fund'])) finish();
for (const script of scripts) phase(script, path.join(binaries, 'node'), ['--run', script]);
rmSync(results, { recursive: true, force: true });
mkdirSync(results, { recursive: true });
for (const [name, projects] of Object.entries(tests)) {
  const report = path.join(results, `${name}.json`);
  const flags = ['--reporter=default', '--reporter=json', `--outputFile.json=${report}`];
  const passed = phase(`${name} tests`, path.join(binaries, 'vitest'), [
    'run',
    ...projects.flatMap((one) => ['--project', one]),
    ...flags,
  ]);
  count(report, passed);
}
finish();

function print(line) {
  process.stdout.write(`${line}\n`);
}

/** Runs a command to its end. @returns whether it succeeded; a failure does not hide what comes after */
function phase(name, command, args) {
  print(`\n== ${name}`);
  const startMs = Date.now();
  const { status, error } = spawnSync(command, args, {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, PATH: binaries + path.delimiter + process.env.PATH },
  });
  if (error) print(error.message);
  phases.push({ name, passed: status === 0, seconds: (Date.now() - startMs) / 1000 });
  return status === 0;
}

/** Prints the account and ends the process; the last line is the one a CI counts. */
function finish() {
  print('\n== summary');
  for (const { name, passed, seconds } of phases) {
    print(`${passed ? 'ok  ' : 'FAIL'} ${name.padEnd(17)} ${seconds.toFixed(1).padStart(6)} s`);
  }
  const failedPhases = phases.filter((one) => !one.passed).map((one) => one.name);
  if (failedPhases.length > 0) print(`failed: ${failedPhases.join(', ')}`);
  print(`${total.passed} passed, ${total.failed} failed`);
  process.exit(failedPhases.length > 0 || total.failed > 0 || total.passed === 0 ? 1 : 0);
}

/** Adds the tests of a report; a file that could not be loaded, or a run that broke off, counts as one failure. */
function count(report, hasPassed) {
  let failed = 0;
  if (existsSync(report)) {
    const { testResults, numPassedTests, numFailedTests } = JSON.parse(readFileSync(report, 'utf8'));
    const broken = testResults.filter(
      (file) => file.status === 'failed' && !file.assertionResults.some((one) => one.status === 'failed'),
    );
    total.passed += numPassedTests;
    failed = numFailedTests + broken.length;
  }
  total.failed += failed === 0 && !hasPassed ? 1 : failed;
}
