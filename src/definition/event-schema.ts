/** The file in which `schema:` of a source says what its events look like. */
import { resolve } from 'node:path';
import type { Type } from '../expressions/index.ts';
import type { ComponentUse } from './pipeline.ts';
import type { ProblemList } from './problems.ts';

/**
 * The type of a source's events by the JSON Schema in `file`, relative to `directory`. What can't be read or understood is
 * told, and the type then `dyn`.
 */
export async function readEventSchema(
  file: string,
  source: Pick<ComponentUse, 'path'>,
  { directory, read, problems }: { directory: string; read: (path: string) => string; problems: ProblemList },
): Promise<Type> {
  const path = [...source.path, 'schema'];
  const [{ typeOfJsonSchema }, { parseJson }] = await Promise.all([
    import('../codecs/json-schema.ts'),
    import('../expressions/json.ts'),
  ]);
  let text: string;
  try {
    text = read(resolve(directory, file));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const reason =
      code === 'ENOENT' ? 'there is no such file' : error instanceof TypeError ? 'it is not UTF-8 text' : message;
    problems.at(path, 'schema_unreadable', `${file} can't be read: ${reason}`, {
      hint: 'the path is relative to the pipeline file',
    });
    return 'dyn';
  }
  let schema: unknown;
  try {
    schema = parseJson(text);
  } catch (error) {
    problems.at(path, 'schema_unreadable', `${file} is not JSON: ${(error as Error).message}`);
    return 'dyn';
  }
  const { type, problems: found } = typeOfJsonSchema(schema);
  // A place is told of once.
  const [first] = found;
  if (first === undefined) return type;
  const more = found.length > 1 ? ` (and ${found.length - 1} more)` : '';
  problems.at(path, 'schema_not_understood', `${file}#${first.pointer.slice(1)}: ${first.message}${more}`);
  return 'dyn';
}
