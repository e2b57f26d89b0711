import { resolve } from 'node:path';
import { defineSink } from '../../declaration/component.ts';
import { Type } from '../../declaration/type.ts';

export const fileSink = defineSink({
  kind: 'sink',
  name: 'file',
  summary: 'Appends each event as one line of JSON to a file, each event once.',
  options: Type.Object({
    path: Type.String({
      minLength: 1,
      description:
        'The file, relative to the pipeline file. Beside it lies PATH.pipectl with the positions and the length that is committed: a reader that must not see a row which a crash takes back stops there. One process at a time.',
    }),
  }),
  example: 'file: { path: out/orders.ndjson }',
  delivery: () => ({
    verdict: 'effectively once',
    reason:
      'rows beyond the committed length are cut off after a crash; a second process on the same file is noticed at the next batch, not before',
  }),

  async create(options, context) {
    const { FileSink } = await import('./sink.ts');
    return new FileSink(context.name, resolve(context.directory, options.path), context.pipeline);
  },

  async positions(options, context) {
    const { FilePositions } = await import('./stored-positions.ts');
    return new FilePositions(context.name, resolve(context.directory, options.path), context.pipeline);
  },
});
