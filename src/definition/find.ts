/** Pipeline files among what was named on the command line. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { exitCodes, PipectlError } from '../errors.ts';
import { suggestion } from './suggestion.ts';

const usage = { exitCode: exitCodes.usage };

/**
 * The pipeline files that `named` files and directories stand for, in order. A directory is searched with all below it;
 * nothing named means the one pipeline of the current directory. Throws `PipectlError` where there is none.
 */
export function findPipelines(named: readonly string[]): readonly string[] {
  if (named.length === 0) return onlyPipelineHere();
  const files: string[] = [];
  for (const path of named) {
    const found = statSync(path, { throwIfNoEntry: false });
    if (found === undefined) throw notFound(path);
    if (!found.isDirectory()) files.push(path);
    else {
      const inside = pipelinesBelow(path);
      if (inside.length === 0)
        throw new PipectlError('file_not_found', `there is no pipeline file in ${path}`, { ...usage, hint: whatIsOne });
      files.push(...inside);
    }
  }
  return [...new Set(files)];
}

const whatIsOne = 'a pipeline file ends in .yaml and has `source:` and `sinks:`';

function notFound(path: string): PipectlError {
  const directory = dirname(path);
  const beside = existsSync(directory) ? readdirSync(directory) : [];
  const near = suggestion(
    basename(path),
    beside.filter((name) => /\.ya?ml$/.test(name)),
  );
  const hint = near === null ? 'name a file or a directory' : `did you mean ${join(dirname(path), near)}?`;
  return new PipectlError('file_not_found', `there is no file ${path}`, { ...usage, hint });
}

/** The one pipeline file that `named` stands for, as `findPipelines` does it. Several are wrong usage. */
export function findPipeline(named: string | undefined): string {
  const [file, ...others] = findPipelines(named === undefined ? [] : [named]);
  if (file !== undefined && others.length === 0) return file;
  const message = `${named} holds ${others.length + 1} pipelines: name one of ${[file, ...others].join(', ')}`;
  throw new PipectlError('usage', message, usage);
}

function onlyPipelineHere(): readonly string[] {
  const files: string[] = [];
  for (const entry of readdirSync('.', { withFileTypes: true })) {
    if (entry.isFile() && isPipeline(entry.name, entry.name)) files.push(entry.name);
  }
  if (files.length === 1) return files;
  if (files.length === 0)
    throw new PipectlError('file_not_found', 'this folder holds no pipeline file', { ...usage, hint: whatIsOne });
  const [shown, more] = [files.toSorted().slice(0, 5).join(', '), files.length - 5];
  const message = `this folder holds several pipelines: ${shown}${more > 0 ? ` and ${more} more` : ''}`;
  throw new PipectlError('file_not_found', message, { ...usage, hint: 'name the file' });
}

function pipelinesBelow(directory: string): string[] {
  const files: string[] = [];
  const entries = readdirSync(directory, { withFileTypes: true });
  for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(directory, entry.name);
    if (entry.isDirectory() && entry.name !== 'node_modules' && !entry.name.startsWith('.'))
      files.push(...pipelinesBelow(path));
    else if (entry.isFile() && isPipeline(path, entry.name)) files.push(path);
  }
  return files;
}

/** Tests, the project file and YAML of other tools lie beside pipelines. */
function isPipeline(path: string, name: string): boolean {
  if (!/\.ya?ml$/.test(name) || /\.test\.ya?ml$/.test(name) || name === 'pipectl.yaml') return false;
  return /^["']?(source|sources|sinks)["']?\s*:/m.test(textOf(path));
}

/** Nothing where it can't be read: it is not the file that was asked for. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
